package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// maxCallers bounds the callers that wait. When so many do, nobody calls until one is answered.
	maxCallers = 200

	// callTimeout is how long a caller waits: longer than the HTTP API takes at most, if nobody stops it.
	callTimeout = 25 * time.Second
)

// keyTime is how long a call with a key is repeated. It is short enough that the last one is answered while an
// execution of the first is still kept, which is ttl at least.
const keyTime = 8 * time.Second

// Each call has a connection of its own: one that is kept may be closed under it, and then it is not known what was
// sent.
var callers = &http.Client{Timeout: callTimeout, Transport: &http.Transport{DisableKeepAlives: true}}

// sendUntil executes plans, the given one first, at the asked rate until ctx ends, and returns when all that it has
// begun is done, with the number of the next plan.
func (c *cluster) sendUntil(ctx context.Context, first uint64) (next uint64) {
	var begun sync.WaitGroup
	defer begun.Wait()
	free := make(chan struct{}, maxCallers)
	for n := first; ; n++ {
		select {
		case <-ctx.Done():
			return n
		case free <- struct{}{}:
		}
		begun.Go(func() {
			defer func() { <-free }()
			c.execute(n, planned(c.settings, n))
		})
		pause(ctx, time.Duration(float64(time.Second)/c.rate))
	}
}

// execute carries out a plan. It goes on when the load has ended.
func (c *cluster) execute(n uint64, p plan) {
	ctx := c.t.Context()
	answers := make([]*call, len(p.replicas))
	var calls sync.WaitGroup
	for i := range p.replicas {
		calls.Go(func() {
			pause(ctx, p.pauses[i])
			answers[i] = c.call(ctx, n, i, p)
		})
	}
	calls.Wait()
	for _, made := range answers {
		if made.accepted() {
			pause(ctx, p.after)
			c.do(ctx, p.then, made)
			return
		}
	}
}

// call makes the i-th call of a plan. With a key it is repeated for a while, at the other replica, as long as nobody
// can say what became of it.
func (c *cluster) call(ctx context.Context, n uint64, i int, p plan) *call {
	for try, began := 0, time.Now(); ; try++ {
		made := &call{request: fmt.Sprintf("%d-%d-%d-%d", c.seed, n, i, try), template: p.template,
			payload: digest(p.payload)}
		if p.keyed {
			made.key = fmt.Sprintf("%d-%d", c.seed, n)
		}
		c.put(ctx, c.serving(p.replicas[i]+try), made, p.payload)
		c.ledger.add(made)
		if !p.keyed || !made.open() || time.Since(began) > keyTime {
			return made
		}
		pause(ctx, 500*time.Millisecond)
	}
}

// serving is the n-th replica, or another where that one does not run: a Service sends nobody there.
func (c *cluster) serving(n int) *replica {
	for i := range c.replicas {
		if r := c.replicas[(n+i)%len(c.replicas)]; r.serves() {
			return r
		}
	}
	return c.replicas[n%len(c.replicas)]
}

// put calls a replica, and fills in what became of it.
func (c *cluster) put(ctx context.Context, to *replica, made *call, payload string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, to.URL+"/execute/"+namespace+"/"+made.template,
		strings.NewReader(payload))
	if err != nil {
		c.t.Error(err)
		return
	}
	request.Header.Set("X-Request-Id", made.request)
	if made.key != "" {
		request.Header.Set("Idempotency-Key", made.key)
	}
	made.to, made.sent = to.process(), time.Now()
	response, err := callers.Do(request)
	if err != nil {
		made.said = err.Error()
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		made.said = err.Error()
		return
	}
	if response.StatusCode == http.StatusOK && len(body) == 0 {
		// The API server did not say whether the caller may read the execution that a repeat has found.
		made.said = "200 without the execution"
		return
	}
	made.code = response.StatusCode
	if !made.accepted() {
		made.said = string(body)
		return
	}
	if made.name = path.Base(response.Header.Get("Location")); len(body) == 0 && made.code == http.StatusOK {
		// A repeat is answered with the address alone where the API server cannot say that its caller may read more.
		return
	}
	answered := &dispatcherv1alpha1.JobExecution{}
	if err := json.Unmarshal(body, answered); err != nil {
		c.t.Errorf("%v: %v", made, err)
	}
	made.name, made.uid = answered.Name, answered.UID
}
