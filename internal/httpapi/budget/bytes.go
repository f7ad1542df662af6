package budget

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrExhausted is returned where nothing became free in time.
var ErrExhausted = errors.New("nothing became free in time")

// Bytes is an amount of memory that calls share. Who asked first gets the first.
type Bytes struct {
	size     int64
	patience time.Duration
	free     *semaphore.Weighted
}

// NewBytes returns size bytes. Who asks for some of them waits for at most patience.
func NewBytes(size int64, patience time.Duration) *Bytes {
	return &Bytes{size: size, patience: patience, free: semaphore.NewWeighted(size)}
}

// Take waits for n bytes, or for all there are where n is more. It returns ErrExhausted where they did not become
// free in time or ctx ended. The caller must release the claim.
func (b *Bytes) Take(ctx context.Context, n int64) (*Claim, error) {
	n = min(n, b.size)
	ctx, cancel := context.WithTimeout(ctx, b.patience)
	defer cancel()
	if err := b.free.Acquire(ctx, n); err != nil {
		return nil, ErrExhausted
	}
	return &Claim{of: b, size: n}, nil
}

// Claim is memory that a call may use.
type Claim struct {
	of    *Bytes
	mutex sync.Mutex
	size  int64
}

// Shrink gives back what is more than n bytes.
func (c *Claim) Shrink(n int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if excess := c.size - max(n, 0); excess > 0 {
		c.size -= excess
		c.of.free.Release(excess)
	}
}

// Release gives all back. It may be called more than once, and for no claim.
func (c *Claim) Release() {
	if c != nil {
		c.Shrink(0)
	}
}
