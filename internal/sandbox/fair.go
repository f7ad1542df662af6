package sandbox

import (
	"slices"
	"sync"
)

// queue hands calls to workers. Namespaces take turns, and within one it is first come, first served. While others
// wait, no namespace holds all workers: one whose every template takes all the time there is makes others wait for
// their turn, not for its end.
type queue struct {
	share int // how many workers a namespace may hold while others wait

	mutex   sync.Mutex
	waiting map[string][]*call
	turns   []string // namespaces that wait, the next one first
	running map[string]int
	idle    []chan *call // the one that was busy last comes last
}

func newQueue(workers int) *queue {
	return &queue{share: max(workers-1, 1), waiting: map[string][]*call{}, running: map[string]int{}}
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
	if last := len(q.idle) - 1; last >= 0 {
		// The one that was busy last is the most likely to know the template.
		worker := q.idle[last]
		q.idle = q.idle[:last]
		q.running[c.namespace]++
		worker <- c
		return
	}
	calls := q.waiting[c.namespace]
	if len(calls) == 0 {
		q.turns = append(q.turns, c.namespace)
	}
	if first {
		q.waiting[c.namespace] = slices.Insert(calls, 0, c)
	} else {
		q.waiting[c.namespace] = append(calls, c)
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

// take returns the call whose turn it is.
func (q *queue) take() *call {
	if len(q.turns) == 0 {
		return nil
	}
	turn := 0
	for i, namespace := range q.turns {
		if q.running[namespace] < q.share {
			turn = i
			break
		}
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

// done gives back what a call held.
func (q *queue) done(c *call) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.release(c.namespace)
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
