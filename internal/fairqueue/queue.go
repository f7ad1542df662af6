// Package fairqueue shares something bounded, such as memory, between callers that do not trust
// each other. Addresses take turns, and below an address its flows take turns, so a caller that asks for more only
// waits longer itself. It must not know what is shared.
package fairqueue

import (
	"context"
	"slices"
	"sync"
)

// Origin is who asks for a share.
type Origin struct {
	Address string
	// Flow divides what one address asks for, for example by namespace. It may be empty.
	Flow string
}

// Queue hands out a capacity. It is safe for concurrent use.
type Queue struct {
	capacity, share, flowShare int64

	mutex     sync.Mutex
	used      int64
	addresses map[string]*address
	turns     []*address // the addresses with waiters, the next one first
}

// address is what one address holds and waits for.
type address struct {
	used  int64
	flows map[string]*flow
	turns []*flow // the flows with waiters, the next one first
}

// flow is what one flow of an address holds and waits for, in the order of arrival.
type flow struct {
	used    int64
	waiters []*waiter
}

type waiter struct {
	origin  Origin
	weight  int64
	granted chan struct{}
	passed  int // how many others were granted when it was its turn
}

// maxPassed is how often a waiter is passed by others that need less, before they wait behind it.
const maxPassed = 64

// New returns a queue. An address holds at most share of the capacity, and a flow of it at most flowShare, even where
// nobody else waits: whoever comes next would. One request that is larger than a limit is granted when nothing else
// counts against that limit.
func New(capacity, share, flowShare int64) *Queue {
	return &Queue{capacity: capacity, share: share, flowShare: flowShare, addresses: map[string]*address{}}
}

// Acquire waits until weight is free and it is the turn of origin. release must be called once. The error is that of
// ctx.
func (q *Queue) Acquire(ctx context.Context, origin Origin, weight int64) (release func(), err error) {
	w := &waiter{origin: origin, weight: weight, granted: make(chan struct{})}
	q.mutex.Lock()
	q.add(w)
	q.grant()
	q.mutex.Unlock()

	select {
	case <-w.granted:
	case <-ctx.Done():
		if q.remove(w) {
			return nil, context.Cause(ctx)
		}
	}
	return sync.OnceFunc(func() { q.release(w) }), nil
}

func (q *Queue) add(w *waiter) {
	a := q.addresses[w.origin.Address]
	if a == nil {
		a = &address{flows: map[string]*flow{}}
		q.addresses[w.origin.Address] = a
	}
	f := a.flows[w.origin.Flow]
	if f == nil {
		f = &flow{}
		a.flows[w.origin.Flow] = f
	}
	if len(a.turns) == 0 {
		q.turns = append(q.turns, a)
	}
	if len(f.waiters) == 0 {
		a.turns = append(a.turns, f)
	}
	f.waiters = append(f.waiters, w)
}

// grant hands out what is free, turn by turn.
func (q *Queue) grant() {
	for q.used < q.capacity {
		w := q.next()
		if w == nil {
			return
		}
		a := q.addresses[w.origin.Address]
		f := a.flows[w.origin.Flow]
		q.used, a.used, f.used = q.used+w.weight, a.used+w.weight, f.used+w.weight
		close(w.granted)
		q.drop(w)
		if i := slices.Index(a.turns, f); i >= 0 {
			a.turns = append(slices.Delete(a.turns, i, i+1), f)
		}
		if i := slices.Index(q.turns, a); i >= 0 {
			q.turns = append(slices.Delete(q.turns, i, i+1), a)
		}
	}
}

// next returns who can be granted now. Who cannot is passed by others, for maxPassed times: by all where it waits for
// the capacity, and by its own address where it waits for that one's share.
func (q *Queue) next() *waiter {
	var passed []*waiter
	for _, a := range q.turns {
		w, before, blocked := q.nextOf(a)
		passed = append(passed, before...)
		if w != nil {
			for _, p := range passed {
				p.passed++
			}
			return w
		}
		if blocked {
			return nil
		}
	}
	return nil
}

// nextOf returns who of an address can be granted now, or nobody, and who is passed then. blocked means that nobody may
// be granted before one who waits for the capacity.
func (q *Queue) nextOf(a *address) (w *waiter, passed []*waiter, blocked bool) {
	var passedByAddress []*waiter
	for _, w := range a.candidates(q.share, q.flowShare) {
		shareLeft := a.used == 0 || a.used+w.weight <= q.share
		switch {
		case shareLeft && (q.used == 0 || q.used+w.weight <= q.capacity):
			return w, append(passed, passedByAddress...), false
		case w.passed >= maxPassed:
			return nil, passed, shareLeft
		case shareLeft:
			passed = append(passed, w)
		default:
			passedByAddress = append(passedByAddress, w)
		}
	}
	return nil, passed, false
}

// candidates returns the first waiter of each flow whose turn it can be.
func (a *address) candidates(share, flowShare int64) (candidates []*waiter) {
	if a.used >= share {
		return nil
	}
	for _, f := range a.turns {
		if w := f.waiters[0]; f.used == 0 || f.used+w.weight <= flowShare {
			candidates = append(candidates, w)
		}
	}
	return candidates
}

// drop takes w out of those that wait. It returns false where w does not wait any more.
func (q *Queue) drop(w *waiter) bool {
	a := q.addresses[w.origin.Address]
	if a == nil || a.flows[w.origin.Flow] == nil {
		return false
	}
	f := a.flows[w.origin.Flow]
	i := slices.Index(f.waiters, w)
	if i < 0 {
		return false
	}
	f.waiters = slices.Delete(f.waiters, i, i+1)
	if len(f.waiters) == 0 {
		a.turns = slices.DeleteFunc(a.turns, func(other *flow) bool { return other == f })
	}
	if len(a.turns) == 0 {
		q.turns = slices.DeleteFunc(q.turns, func(other *address) bool { return other == a })
	}
	return true
}

// remove gives up waiting. It returns false where w was granted in the meantime.
func (q *Queue) remove(w *waiter) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if !q.drop(w) {
		return false
	}
	q.forget(w.origin)
	q.grant() // w may have kept others waiting.
	return true
}

func (q *Queue) release(w *waiter) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	a := q.addresses[w.origin.Address]
	q.used -= w.weight
	a.used -= w.weight
	a.flows[w.origin.Flow].used -= w.weight
	q.forget(w.origin)
	q.grant()
}

// forget removes what nobody holds or waits for, so that many addresses and flows take no memory once they are gone.
func (q *Queue) forget(origin Origin) {
	a := q.addresses[origin.Address]
	if f := a.flows[origin.Flow]; f.used == 0 && len(f.waiters) == 0 {
		delete(a.flows, origin.Flow)
	}
	if len(a.flows) == 0 {
		delete(q.addresses, origin.Address)
	}
}
