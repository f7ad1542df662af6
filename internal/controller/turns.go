package controller

import (
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// slowReconcile is how long a reconcile takes that is slow: as a rule because an admission webhook, for example of
	// Jobs in some namespaces, does not answer.
	slowReconcile = 2 * time.Second

	// slowFor is for how long a namespace counts as slow after a slow reconcile has ended.
	slowFor = time.Minute

	// maxSlowReconciles is how many reconciles a slow namespace may have at a time. It is a quarter of all, and enough for
	// hundreds a second that are not slow.
	maxSlowReconciles = maxConcurrentReconciles / 4

	// maxSlowTotal is from how many reconciles on a slow namespace may have only one.
	maxSlowTotal = maxConcurrentReconciles - 4

	// slowSize is how many slow namespaces are remembered.
	slowSize = 1024
)

// errSlowNamespace says that enough executions of a slow namespace are being reconciled now. A later try succeeds.
var errSlowNamespace = errors.New("calls of the API server for executions of the namespace take long")

// turns counts the reconciles, so that those of a namespace whose calls take long do not stop those of others.
type turns struct {
	clock clock.PassiveClock

	mutex       sync.Mutex
	total       int
	byNamespace map[string]map[*turn]struct{}
	slowUntil   *lru.Cache // by namespace, as a time.Time
}

// turn is one reconcile, from when it began.
type turn struct{ since time.Time }

func newTurns(clock clock.PassiveClock) *turns {
	return &turns{clock: clock, byNamespace: map[string]map[*turn]struct{}{}, slowUntil: lru.New(slowSize)}
}

// begin says whether a reconcile may begin now. If so, end must be called after it.
func (t *turns) begin(namespace string) (end func(), ok bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	current := t.byNamespace[namespace]
	if n := len(current); n > 0 && (n >= maxSlowReconciles || t.total >= maxSlowTotal) && t.slow(namespace) {
		return nil, false
	}
	if current == nil {
		current = map[*turn]struct{}{}
		t.byNamespace[namespace] = current
	}
	begun := &turn{since: t.clock.Now()}
	current[begun] = struct{}{}
	t.total++
	return func() { t.end(namespace, begun) }, true
}

func (t *turns) end(namespace string, ended *turn) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.clock.Since(ended.since) > slowReconcile {
		t.slowUntil.Add(namespace, t.clock.Now().Add(slowFor))
	}
	t.total--
	delete(t.byNamespace[namespace], ended)
	if len(t.byNamespace[namespace]) == 0 {
		delete(t.byNamespace, namespace)
	}
}

// slow says whether a reconcile of the namespace takes long, or has a moment ago.
func (t *turns) slow(namespace string) bool {
	if until, ok := t.slowUntil.Get(namespace); ok && t.clock.Now().Before(until.(time.Time)) {
		return true
	}
	for current := range t.byNamespace[namespace] {
		if t.clock.Since(current.since) > slowReconcile {
			return true
		}
	}
	return false
}
