package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"dispatcher.ivan.vc/test/controlplane"
)

// requestFaults stand between the replicas and the API server.
func (c *cluster) requestFaults() []fault {
	none := func() {}
	return []fault{
		{"requests answered with 404", c.disturb(controlplane.Page(http.StatusNotFound))},
		{"requests answered with 409", c.disturb(controlplane.Page(http.StatusConflict))},
		{"requests answered with 429", c.disturb(controlplane.Answer(apierrors.NewTooManyRequests("busy", 1)))},
		{"requests answered with 500",
			c.disturb(controlplane.Answer(apierrors.NewInternalError(errors.New("etcdserver: request timed out"))))},
		{"requests answered with 503", c.disturb(controlplane.Answer(apierrors.NewServiceUnavailable("no leader")))},
		{"requests lost before they arrived", c.disturb(controlplane.Before(none))},
		{"requests carried out whose answers were lost", c.disturb(controlplane.After(none))},
		{"requests slow", c.disturb(controlplane.Delay(700 * time.Millisecond))},
		{"requests very slow", c.disturb(controlplane.Delay(11 * time.Second))},
		{"connections and watches cut", c.cutConnections},
		{"executions seen late", c.holdEvents("jobexecutions")},
		{"Jobs seen late", c.holdEvents("jobs")},
		{"templates seen late", c.holdEvents("jobtemplates")},
	}
}

// disturb applies a fault to a share of the requests of one replica or both.
func (c *cluster) disturb(f controlplane.Fault) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		length, share := between(random, time.Second, 5*time.Second), 0.1+0.8*random.Float64()
		which, seed := random.IntN(len(c.replicas)+1), random.Uint64()
		for i, r := range c.replicas {
			if i == which {
				continue
			}
			matches := func(q controlplane.Request) bool { return q.Verb != "watch" }
			fault := controlplane.Share(share, rand.New(rand.NewPCG(seed, uint64(i))), f)
			remove := r.Proxy.Inject(matches, fault)
			defer remove()
		}
		pause(ctx, length)
	}
}

func (c *cluster) cutConnections(ctx context.Context, random *rand.Rand) {
	for range 1 + random.IntN(4) {
		wait := between(random, 0, time.Second)
		c.replicas[random.IntN(len(c.replicas))].Proxy.CutConnections()
		pause(ctx, wait)
	}
}

// holdEvents lets the caches of one replica lag.
func (c *cluster) holdEvents(resource string) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		length, r := between(random, time.Second, 8*time.Second), c.replicas[random.IntN(len(c.replicas))]
		release := r.Proxy.HoldEvents(resource)
		defer release()
		pause(ctx, length)
	}
}
