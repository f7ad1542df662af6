package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"dispatcher.ivan.vc/test/controlplane"
)

// processFaults end, freeze and replace the replicas.
func (c *cluster) processFaults() []fault {
	return []fault{
		{"a replica killed before a call", c.killAround(controlplane.Before)},
		{"a replica killed after a call", c.killAround(controlplane.After)},
		{"the leader killed", c.killLeader},
		{"both replicas killed", c.killBoth},
		{"the leader handed over", c.handOver},
		{"the leader frozen until its lease ran out", c.freezeLeader},
	}
}

// killAround kills a replica at one of its next calls to the API server: the n-th write, or of any kind. Whether the
// API server has carried it out is for moment to say.
func (c *cluster) killAround(moment func(func()) controlplane.Fault) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		r, n := c.victim(random), 1+random.Int32N(20)
		verb, resource := choose(random, "", "create", "patch"), choose(random, "", "jobs", "jobexecutions")
		down := between(random, 0, 4*time.Second)
		matches := func(q controlplane.Request) bool {
			return q.Verb != "watch" && (verb == "" || q.Verb == verb) && (resource == "" || q.Resource == resource)
		}
		killed := make(chan struct{})
		kill := sync.OnceFunc(func() {
			r.kill(down)
			close(killed)
		})
		remove := r.Proxy.Inject(matches, controlplane.Nth(n, moment(kill)))
		defer remove()
		select {
		case <-killed:
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Second): // It did not come so far.
			kill()
		}
		c.logf("processes: killed %s at call %d that matches %q %q, down for %v", r.name, n, verb, resource, down)
		pause(ctx, down)
	}
}

func (c *cluster) killLeader(ctx context.Context, random *rand.Rand) {
	down := between(random, 0, 5*time.Second)
	r := c.leaderOr(ctx, c.victim(random))
	if !c.spared(r) {
		r.kill(down)
	}
	pause(ctx, down)
}

func (c *cluster) killBoth(ctx context.Context, random *rand.Rand) {
	down := between(random, 0, 3*time.Second)
	for _, r := range c.replicas {
		if !c.spared(r) {
			r.kill(down)
		}
	}
	pause(ctx, down)
}

// handOver lets the leader end as a rolling update does.
func (c *cluster) handOver(ctx context.Context, random *rand.Rand) {
	down := between(random, 0, 2*time.Second)
	r := c.leaderOr(ctx, c.victim(random))
	if c.spared(r) || !r.Running() {
		return
	}
	r.keepDown(down)
	ending := r.Terminate()
	select {
	case <-ending.Done():
	case <-time.After(45 * time.Second):
		c.t.Errorf("%s did not end within 45 s after it was asked to\n%s", r.process(), r.Output.Tail())
		r.kill(down)
	}
}

// freezeLeader lets the leader lose its lease without noticing. When it goes on, it believes to lead for a moment,
// while another does.
func (c *cluster) freezeLeader(ctx context.Context, random *rand.Rand) {
	length, noticed := between(random, 17*time.Second, 24*time.Second), between(random, 0, 3*time.Second)
	r := c.leaderOr(ctx, c.victim(random))
	if c.spared(r) || !r.Running() {
		return
	}
	r.Pause()
	pause(ctx, noticed)
	c.plane.Webhooks.Remove(r.WebhookAddress()) // As when its probe fails.
	pause(ctx, length-noticed)
	c.plane.Webhooks.Add(r.WebhookAddress())
	r.Resume()
}

// victim is a replica that may be killed.
func (c *cluster) victim(random *rand.Rand) *replica {
	r := c.replicas[random.IntN(len(c.replicas))]
	if c.spared(r) {
		return c.replicas[1]
	}
	return r
}

// soaks is true for a run that lasts, which is there to show growth.
func (c *cluster) soaks() bool { return c.duration > 0 }

// spared is true for the first replica of a soak: growth shows only in a process that is never replaced.
func (c *cluster) spared(r *replica) bool { return c.soaks() && r == c.replicas[0] }

// leaderOr waits until one leads, for a while.
func (c *cluster) leaderOr(ctx context.Context, fallback *replica) *replica {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) &&
		ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
		if r := leader(ctx, c.replicas); r != nil {
			return r
		}
	}
	return fallback
}
