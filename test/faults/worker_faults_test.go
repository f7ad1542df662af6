package faults

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"
)

// workerFaults end and freeze render workers. No template here is to blame for that, so no execution may say that it
// is.
func (c *cluster) workerFaults() []fault {
	return []fault{
		{"a render worker killed", c.signalWorkers(syscall.SIGKILL, 1)},
		{"render workers killed in a row", c.signalWorkers(syscall.SIGKILL, 20)},
		{"a render worker frozen", c.freezeWorker},
	}
}

// signalWorkers sends a signal to a worker of any replica, a number of times.
func (c *cluster) signalWorkers(signal syscall.Signal, times int) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		for range times {
			if pid := c.worker(random); pid > 0 {
				_ = syscall.Kill(pid, signal) // It may be gone already.
			}
			pause(ctx, between(random, 0, 100*time.Millisecond))
		}
	}
}

// freezeWorker stops a worker where it is, for longer than some requests wait and not as long as others.
func (c *cluster) freezeWorker(ctx context.Context, random *rand.Rand) {
	length := between(random, time.Second, 8*time.Second)
	pid := c.worker(random)
	if pid == 0 {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	pause(ctx, length)
	_ = syscall.Kill(pid, syscall.SIGCONT)
}

// worker returns a render worker, or 0 if there is none at the moment.
func (c *cluster) worker(random *rand.Rand) int {
	r := c.replicas[random.IntN(len(c.replicas))]
	n := random.IntN(8)
	if !r.Running() {
		return 0
	}
	workers := r.Descendants()
	if len(workers) == 0 {
		return 0
	}
	return workers[n%len(workers)]
}
