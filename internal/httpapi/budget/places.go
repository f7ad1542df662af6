package budget

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// ErrFull is returned where no place is free.
	ErrFull = errors.New("no place is free")

	// ErrShare is returned where a source address has its share of the places already.
	ErrShare = errors.New("this source address has its share of the places")
)

// shareOfOne is the part of all places that one source address may have: a quarter.
const shareOfOne = 4

// shareOf returns how many of limit places one source address may have.
func shareOf(limit int) int { return max(1, limit/shareOfOne) }

// Places is a number of places for calls.
type Places struct {
	places chan struct{}
	shares *shares
}

// NewPlaces returns limit places, of which no source address gets more than a quarter, but for those of exempt.
func NewPlaces(limit int, exempt Addresses) *Places {
	return &Places{places: make(chan struct{}, limit), shares: newShares(shareOf(limit), exempt)}
}

// Limit is how many places there are.
func (p *Places) Limit() int { return cap(p.places) }

// Share is how many places one source address may have.
func (p *Places) Share() int { return p.shares.limit }

// Taken is how many places are not free.
func (p *Places) Taken() int { return len(p.places) }

// Take returns a place for a call from a remote address, or ErrFull or ErrShare. The caller must leave it.
func (p *Places) Take(remote string) (*Place, error) {
	release := p.shares.take(remote)
	if release == nil {
		return nil, ErrShare
	}
	place := &Place{places: p.places, release: release}
	select {
	case p.places <- struct{}{}:
		place.has = true
		return place, nil
	default:
		release()
		return nil, ErrFull
	}
}

// Shared tells whether a remote address is one that many callers share, so that its share has no limit.
func (p *Places) Shared(remote string) bool {
	address, counts := sourceOf(remote)
	return counts && p.shares.exempt.contain(address)
}

// Await is Take, and waits for a place for at most patience.
func (p *Places) Await(ctx context.Context, remote string, patience time.Duration) (*Place, error) {
	release := p.shares.take(remote)
	if release == nil {
		return nil, ErrShare
	}
	place := &Place{places: p.places, release: release}
	if err := place.Return(ctx, patience); err != nil {
		release()
		return nil, err
	}
	return place, nil
}

// Place is the place of one call. Nothing happens to a call that has none.
type Place struct {
	places  chan struct{}
	release func()

	mutex sync.Mutex
	has   bool
}

// Lend gives the place to others until Return. The call still counts in the share of its source address.
func (p *Place) Lend() {
	if p == nil {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.has {
		p.has = false
		<-p.places
	}
}

// Return waits for a place again, for at most patience, and returns ErrFull where none became free.
func (p *Place) Return(ctx context.Context, patience time.Duration) error {
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.has {
		return nil
	}
	select {
	case p.places <- struct{}{}:
		p.has = true
		return nil
	case <-ctx.Done():
		return ErrFull
	}
}

// Leave gives the place back for good. It may be called more than once.
func (p *Place) Leave() {
	if p != nil {
		p.Lend()
		p.release()
	}
}
