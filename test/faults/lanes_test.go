package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// fault breaks something, for a while that the random numbers decide, and mends it before it returns, also when ctx
// ends.
type fault struct {
	name string
	run  func(ctx context.Context, random *rand.Rand)
}

// lane breaks one thing after the other. It deals its faults like cards: all of them in a new order, and again.
type lane struct {
	name   string
	faults []fault
	// rest is the longest time between two, until each was there once.
	rest time.Duration
}

// calmer is how many times longer the rests are from then on. A leader that is killed leaves a Lease that takes 15 s to
// run out: if the next fault came before, nobody would lead, nothing would be done, and nothing could go wrong.
const calmer = 8

// lanes are side by side, so that faults of different lanes meet in all combinations.
func (c *cluster) lanes() []lane {
	return []lane{
		{"processes", c.processFaults(), 5 * time.Second},
		{"servers", c.serverFaults(), 6 * time.Second},
		{"requests", c.requestFaults(), 3 * time.Second},
		{"objects", c.objectFaults(), 4 * time.Second},
		{"workers", c.workerFaults(), 3 * time.Second},
	}
}

// broken is what happens while the lanes run.
type broken struct {
	// dealt is done when every fault was there once.
	dealt sync.WaitGroup
	count atomic.Int64
	all   sync.WaitGroup
}

// breakThings starts the lanes. They stop, and mend all they broke, when ctx ends: wait for all.
func (c *cluster) breakThings(ctx context.Context) *broken {
	b := &broken{}
	for i, l := range c.lanes() {
		b.dealt.Add(1)
		b.all.Go(func() {
			dealt := sync.OnceFunc(b.dealt.Done)
			defer dealt()
			c.runLane(ctx, uint64(i), l, b, dealt)
		})
	}
	return b
}

func (c *cluster) runLane(ctx context.Context, number uint64, l lane, b *broken, dealt func()) {
	const use = 2 // and those after it
	order, rest := c.random(use+number, 0), l.rest
	for n := uint64(1); ; {
		for _, i := range order.Perm(len(l.faults)) {
			// Each has numbers of its own, so that none depends on how many another one used.
			random := c.random(use+number, n)
			n++
			pause(ctx, between(random, 0, rest))
			if ctx.Err() != nil {
				return
			}
			begun := time.Now()
			l.faults[i].run(ctx, random)
			b.count.Add(1)
			c.logf("%s: %s, for %.1f s", l.name, l.faults[i].name, time.Since(begun).Seconds())
		}
		dealt()
		rest = calmer * l.rest
	}
}
