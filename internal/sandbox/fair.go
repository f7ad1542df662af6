package sandbox

import (
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

// queue hands calls to workers. Namespaces take turns, and within one it is first come, first served, examinations
// first: an author must be able to mend a template while its executions wait. While others wait, no namespace holds all
// workers: one whose every template takes all the time there is makes others wait for their turn, not for its end.
// Heavy namespaces never hold all workers, even all of them together and where nobody waits: whoever comes next would.
type queue struct {
	workers int
	share   int // how many workers a namespace may hold while others wait, and heavy ones ever
	clock   clock.PassiveClock
	heavy   *lru.Cache // namespace to the time until which it is heavy

	mutex   sync.Mutex
	waiting map[string][]*call
	turns   []string // namespaces that wait, the next one first
	running map[string]int
	idle    []chan *call // the one that was busy last comes last
}

func newQueue(workers int) *queue {
	return &queue{
		workers: workers, share: max(workers-1, 1), clock: clock.RealClock{}, heavy: lru.New(rememberedNamespaces),
		waiting: map[string][]*call{}, running: map[string]int{},
	}
}

// add hands a call to an idle worker, or lets it wait.
func (q *queue) add(c *call) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.put(c, false)
}

// retry lets a call wait that was taken already, before all others of its namespace.
func (q *queue) retry(c *call) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.release(c.namespace)
	q.put(c, true)
}

func (q *queue) put(c *call, first bool) {
	calls := q.waiting[c.namespace]
	if len(calls) == 0 {
		q.turns = append(q.turns, c.namespace)
	}
	at := len(calls)
	switch {
	case first:
		at = 0
	case c.kind == kindExamine:
		if i := slices.IndexFunc(calls, func(other *call) bool { return other.kind != kindExamine }); i >= 0 {
			at = i
		}
	}
	q.waiting[c.namespace] = slices.Insert(calls, at, c)
	q.dispatch()
}

// dispatch hands calls that wait to idle workers.
func (q *queue) dispatch() {
	for len(q.idle) > 0 {
		c := q.take()
		if c == nil {
			return
		}
		// The one that was busy last is the most likely to know the template.
		last := len(q.idle) - 1
		worker := q.idle[last]
		q.idle = q.idle[:last]
		worker <- c
	}
}

// next waits for a call. It returns nil when end is closed.
func (q *queue) next(end ...<-chan struct{}) *call {
	q.mutex.Lock()
	if c := q.take(); c != nil {
		q.mutex.Unlock()
		return c
	}
	offer := make(chan *call, 1)
	q.idle = append(q.idle, offer)
	q.mutex.Unlock()

	select {
	case c := <-offer:
		return c
	case <-end[0]:
	case <-end[1]:
	}
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if i := slices.Index(q.idle, offer); i >= 0 {
		q.idle = slices.Delete(q.idle, i, i+1)
		return nil
	}
	return <-offer
}

// take returns the call whose turn it is, or nil if there is none.
func (q *queue) take() *call {
	turn := q.turn()
	if turn < 0 {
		return nil
	}
	namespace := q.turns[turn]
	q.turns = slices.Delete(q.turns, turn, turn+1)
	calls := q.waiting[namespace]
	c := calls[0]
	calls[0] = nil
	if len(calls) > 1 {
		q.waiting[namespace] = calls[1:]
		q.turns = append(q.turns, namespace)
	} else {
		delete(q.waiting, namespace)
	}
	q.running[namespace]++
	return c
}

// turn returns the index of the namespace whose turn it is, or -1.
func (q *queue) turn() int {
	turn := -1
	heaviesWait := q.heldByHeavy() >= q.share && q.workers > 1
	for i, namespace := range q.turns {
		switch {
		case heaviesWait && q.isHeavy(namespace):
		case q.running[namespace] < q.share:
			return i
		case turn < 0:
			turn = i
		}
	}
	return turn
}

// heldByHeavy is how many workers the heavy namespaces hold.
func (q *queue) heldByHeavy() (held int) {
	for namespace, n := range q.running {
		if q.isHeavy(namespace) {
			held += n
		}
	}
	return held
}

func (q *queue) isHeavy(namespace string) bool {
	until, ok := q.heavy.Get(namespace)
	return ok && q.clock.Now().Before(until.(time.Time))
}

// done gives back what a call held.
func (q *queue) done(c *call) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if c.heavy {
		q.heavy.Add(c.namespace, q.clock.Now().Add(heavyFor))
	}
	q.release(c.namespace)
	q.dispatch()
}

func (q *queue) release(namespace string) {
	if q.running[namespace]--; q.running[namespace] <= 0 {
		delete(q.running, namespace)
	}
}

// remove takes a call out that waits. It says whether it did: a call that a worker has taken stays there.
func (q *queue) remove(c *call) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	calls := q.waiting[c.namespace]
	i := slices.Index(calls, c)
	if i < 0 {
		return false
	}
	if len(calls) > 1 {
		q.waiting[c.namespace] = slices.Delete(calls, i, i+1)
		return true
	}
	delete(q.waiting, c.namespace)
	q.turns = slices.DeleteFunc(q.turns, func(namespace string) bool { return namespace == c.namespace })
	return true
}
