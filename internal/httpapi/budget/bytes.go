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
	return b.TakeApart(ctx, remote, n, n)
}

// TakeApart is Take for a call that uses what was taken for others already: it takes all bytes, and share bytes of the
// share of its address, which may be more.
func (b *Bytes) TakeApart(ctx context.Context, remote string, all, share int64) (*Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, b.patience)
	defer cancel()
	claim := b.take(remote, all, share, func(from *semaphore.Weighted, n int64) bool {
		return from.Acquire(ctx, n) == nil
	})
	if claim == nil {
		return nil, ErrExhausted
	}
	return claim, nil
}

// TryTakeApart is TakeApart, and returns nil where it would have to wait.
func (b *Bytes) TryTakeApart(remote string, all, share int64) *Claim {
	return b.take(remote, all, share, (*semaphore.Weighted).TryAcquire)
}

func (b *Bytes) take(remote string, all, share int64, acquire func(*semaphore.Weighted, int64) bool) *Claim {
	claim := &Claim{of: b}
	// The share comes first, so that who waits for it is in nobody's way.
	if address, counts := countedSource(remote, b.exempt); counts && share > 0 {
		claim.share, claim.leave = b.shareFor(address)
		share = min(share, b.share())
		if !acquire(claim.share, share) {
			claim.leave()
			return nil
		}
		claim.shared = share
	}
	if all = min(all, b.size); all > 0 {
		if !acquire(b.free, all) {
			claim.Release()
			return nil
		}
		claim.size = all
	}
	return claim
}

// Source is what a remote address counts as, the zero address where it has no limit.
func (b *Bytes) Source(remote string) netip.Addr {
	address, _ := countedSource(remote, b.exempt)
	return address
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

// SplitShare moves what the claim has of the share of its address to another claim, which has nothing else. The caller
// must release both.
func (c *Claim) SplitShare() *Claim {
	if c == nil {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	share := &Claim{of: c.of, share: c.share, shared: c.shared, leave: c.leave}
	c.share, c.shared, c.leave = nil, 0, nil
	return share
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
