package budget

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrExhausted is returned where nothing became free in time.
var ErrExhausted = errors.New("nothing became free in time")

// Bytes is an amount of memory that calls share. Who asked first gets the first, but for those of a source address that
// has its share: they wait for each other.
type Bytes struct {
	size     int64
	patience time.Duration
	free     *semaphore.Weighted
	exempt   Addresses

	mutex  sync.Mutex
	shares map[netip.Addr]*byteShare
}

// byteShare is what is free of the share of one source address, kept while a call of it has some or waits.
type byteShare struct {
	free  *semaphore.Weighted
	users int
}

// NewBytes returns size bytes, of which no source address gets more than a quarter at a time, but for those of exempt.
// Who asks for some of them waits for at most patience.
func NewBytes(size int64, patience time.Duration, exempt Addresses) *Bytes {
	return &Bytes{
		size:     size,
		patience: patience,
		free:     semaphore.NewWeighted(size),
		exempt:   exempt,
		shares:   map[netip.Addr]*byteShare{},
	}
}

// Take waits for n bytes for a call from a remote address, or for all there are where n is more. What is more than the
// share of an address takes all of the share. It returns ErrExhausted where they did not become free in time or ctx
// ended. The caller must release the claim.
func (b *Bytes) Take(ctx context.Context, remote string, n int64) (*Claim, error) {
	claim := &Claim{of: b, size: min(n, b.size)}
	ctx, cancel := context.WithTimeout(ctx, b.patience)
	defer cancel()
	if address, counts := countedSource(remote, b.exempt); counts {
		claim.share, claim.leave = b.shareFor(address)
		claim.shared = min(n, b.share())
		// The share comes first, so that who waits for it is in nobody's way.
		if err := claim.share.Acquire(ctx, claim.shared); err != nil {
			claim.leave()
			return nil, ErrExhausted
		}
	}
	if err := b.free.Acquire(ctx, claim.size); err != nil {
		if claim.share != nil {
			claim.share.Release(claim.shared)
			claim.leave()
		}
		return nil, ErrExhausted
	}
	return claim, nil
}

// TryTake is Take, and returns nil where it would have to wait.
func (b *Bytes) TryTake(remote string, n int64) *Claim {
	claim := &Claim{of: b, size: min(n, b.size)}
	if address, counts := countedSource(remote, b.exempt); counts {
		claim.share, claim.leave = b.shareFor(address)
		claim.shared = min(n, b.share())
		if !claim.share.TryAcquire(claim.shared) {
			claim.leave()
			return nil
		}
	}
	if !b.free.TryAcquire(claim.size) {
		if claim.share != nil {
			claim.share.Release(claim.shared)
			claim.leave()
		}
		return nil
	}
	return claim
}

func (b *Bytes) share() int64 { return max(1, b.size/shareOfOne) }

// shareFor returns the share of an address, and how to leave it.
func (b *Bytes) shareFor(address netip.Addr) (free *semaphore.Weighted, leave func()) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	share := b.shares[address]
	if share == nil {
		share = &byteShare{free: semaphore.NewWeighted(b.share())}
		b.shares[address] = share
	}
	share.users++
	return share.free, sync.OnceFunc(func() {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		if share.users--; share.users == 0 {
			delete(b.shares, address)
		}
	})
}

// Claim is memory that a call may use.
type Claim struct {
	of    *Bytes
	mutex sync.Mutex
	size  int64

	// share is that of the source address, nil where it has no limit, and shared is what the claim has of it.
	share  *semaphore.Weighted
	shared int64
	leave  func()
}

// Of is what the claim is from.
func (c *Claim) Of() *Bytes { return c.of }

// Size is how many bytes the claim has: none where there is no claim.
func (c *Claim) Size() int64 {
	if c == nil {
		return 0
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.size
}

// Shrink gives back what is more than n bytes.
func (c *Claim) Shrink(n int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	n = max(n, 0)
	if excess := c.size - n; excess > 0 {
		c.size -= excess
		c.of.free.Release(excess)
	}
	if excess := c.shared - n; excess > 0 {
		c.shared -= excess
		c.share.Release(excess)
	}
	if n == 0 && c.leave != nil {
		c.leave()
	}
}

// Release gives all back. It may be called more than once, and for no claim.
func (c *Claim) Release() {
	if c != nil {
		c.Shrink(0)
	}
}
