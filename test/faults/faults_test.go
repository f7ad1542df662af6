package faults

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// warmUp is how many executions are accepted before the first fault.
	warmUp = 50

	// stall is how long nothing may be accepted, at the worst of times.
	stall = 5 * time.Minute

	// settling is how long it may take, after the last fault, until all has ended and is removed: an execution that
	// waits is tried again after as long as it has waited, an unconfirmed create is looked for during two minutes, and
	// then a TTL passes.
	settling = 8 * time.Minute
)

func TestFaults(t *testing.T) {
	s := asked(t)
	c := newCluster(t, s)

	calling, stopCalling := context.WithCancel(t.Context())
	var next uint64
	c.sendWhile(func() bool { return c.ledger.acceptedSoFar() < warmUp }, &next)
	c.settle()
	before := c.sizes(t.Context())

	breaking, mend := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() { next = c.sendUntil(calling, next) })
	c.logf("things break from now on")
	broken := c.breakThings(breaking)
	c.untilEnough(broken)
	mend()
	broken.all.Wait()
	c.logf("nothing breaks any more, after %d faults and %d executions accepted", broken.count.Load(),
		c.ledger.acceptedSoFar())
	stopCalling()
	load.Wait()

	for _, r := range c.replicas {
		c.eventually(time.Minute, r.name+" is ready", func() bool { return r.Ready(t.Context()) })
	}
	v := c.settle()
	c.logf("%s", c.ledger.counts())
	c.logf("%v", v)
	c.logf("from an execution to its Job: half within %v, 99 %% within %v, all within %v", v.wait(0.5), v.wait(0.99),
		v.wait(1))
	c.compareWithAPIServer()
	c.compareSizes(before, c.sizes(t.Context()))
	if c.soaks() {
		c.compareHeap(t.Context(), before[0])
	}
}

// sendWhile sends at the asked rate as long as more is wanted.
func (c *cluster) sendWhile(more func() bool, next *uint64) {
	ctx, stop := context.WithCancel(c.t.Context())
	defer stop()
	var load sync.WaitGroup
	load.Go(func() { *next = c.sendUntil(ctx, *next) })
	c.eventually(stall, "executions are accepted", func() bool { return !more() })
	stop()
	load.Wait()
}

// untilEnough waits until every fault was there, enough was accepted and enough time has passed.
func (c *cluster) untilEnough(b *broken) {
	began := time.Now()
	dealt := make(chan struct{})
	go func() {
		b.dealt.Wait()
		close(dealt)
	}()
	enough := func() bool {
		select {
		case <-dealt:
			return c.ledger.acceptedSoFar() >= c.executions && time.Since(began) >= c.duration
		default:
			return false
		}
	}
	accepted, since, told := 0, time.Now(), time.Now()
	for ; !enough(); pause(c.t.Context(), time.Second) {
		for _, r := range c.replicas {
			r.Proxy.Forget()
		}
		if now := c.ledger.acceptedSoFar(); now > accepted {
			accepted, since = now, time.Now()
		}
		if time.Since(told) > time.Minute {
			told = time.Now()
			c.logf("%d executions accepted so far, %d faults", accepted, b.count.Load())
			if c.soaks() {
				c.logSpared()
			}
		}
		if time.Since(since) > stall {
			c.t.Errorf("nothing was accepted for %v", stall)
			return
		}
	}
}

// settle waits until no promise is broken any more, and fails the test if one is at the end.
func (c *cluster) settle() *verdict {
	began := time.Now()
	for {
		c.resumeAll(c.t.Context())
		v := judge(c.ledger, c.history)
		switch {
		case len(v.broken) == 0:
			c.logf("all has ended and is removed %.0f s later", time.Since(began).Seconds())
			return v
		case time.Since(began) > settling:
			c.t.Errorf("%d promises are broken %v later:\n%s", len(v.broken), settling,
				strings.Join(v.broken[:min(len(v.broken), 50)], "\n"))
			for _, r := range c.replicas {
				c.t.Logf("%s printed at last:\n%s", r.process(), r.Output.Tail())
			}
			return v
		}
		pause(c.t.Context(), time.Second)
	}
}
