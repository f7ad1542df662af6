package controller

import (
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// maxRenders is how many reconciles may be in a render at a time. The others go on with Jobs that exist.
	maxRenders = maxConcurrentReconciles - 4

	// maxSlowRenders is how many of them may be of one namespace if that has a slow render.
	maxSlowRenders = 8

	// slowRender is how long a render may take that nobody else notices.
	slowRender = 250 * time.Millisecond
)

// errManyRenders says that too many executions are being rendered now. A later try succeeds.
var errManyRenders = errors.New("too many executions of the namespace are being rendered")

// renders counts the reconciles that are in a render, so that templates that take long, and those that wait for them,
// do not stop the executions of other namespaces.
type renders struct {
	clock clock.PassiveClock

	mutex       sync.Mutex
	total       int
	byNamespace map[string]map[*oneRender]struct{}
}

// oneRender is one render, from when it began.
type oneRender struct{ since time.Time }

func newRenders(clock clock.PassiveClock) *renders {
	return &renders{clock: clock, byNamespace: map[string]map[*oneRender]struct{}{}}
}

// begin says whether a render may begin now. If so, end must be called after it. A namespace without a render may
// always begin one, whatever others do.
func (r *renders) begin(namespace string) (end func(), ok bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	current := r.byNamespace[namespace]
	if n := len(current); n > 0 && (r.total >= maxRenders || n >= maxSlowRenders && r.slow(current)) {
		return nil, false
	}
	if current == nil {
		current = map[*oneRender]struct{}{}
		r.byNamespace[namespace] = current
	}
	begun := &oneRender{since: r.clock.Now()}
	current[begun] = struct{}{}
	r.total++
	return func() { r.end(namespace, begun) }, true
}

func (r *renders) end(namespace string, begun *oneRender) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.total--
	delete(r.byNamespace[namespace], begun)
	if len(r.byNamespace[namespace]) == 0 {
		delete(r.byNamespace, namespace)
	}
}

func (r *renders) slow(current map[*oneRender]struct{}) bool {
	for begun := range current {
		if r.clock.Since(begun.since) > slowRender {
			return true
		}
	}
	return false
}
