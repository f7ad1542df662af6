package sandbox

import (
	"slices"
	"sync"

	"dispatcher.ivan.vc/internal/render"
)

// flow is what one origin asks for in one namespace.
type flow struct{ origin, namespace string }

// queue hands calls to workers. Origins take turns, and the namespaces of an origin do. No flow ever holds all workers,
// and no origin does while others wait. Heavy flows do not hold all workers even together, and where nobody waits:
// whoever comes next would wait for them. So what a stranger asks the webhooks to render, of whatever namespace he
// claims, keeps neither the API server's reviews nor the executions of that namespace waiting. The origin for which
// nobody waits gets a worker if nothing else is to be done, and never two.
type queue struct {
	share int // how many workers a flow may hold, heavy ones together, and an origin while others wait
	heavy *heavyFlows

	mutex   sync.Mutex
	turns   []*origin // those with calls that wait, the next one first
	running map[flow]int
	idle    []chan *call // the one that was busy last comes last
}

// origin has the calls of one origin that wait.
type origin struct {
	name  string
	turns []*line // the next one first
}

// line has the calls of one flow that wait. Within each kind, it is first come, first served. Where both kinds wait,
// they alternate: an author must be able to mend a template while its executions wait, and must not stop them.
type line struct {
	flow               flow
	examinations, jobs []*call
	examined           bool // The last call that was taken was an examination.
}

func newQueue(workers int) *queue {
	return &queue{share: max(workers-1, 1), heavy: newHeavyFlows(), running: map[flow]int{}}
}

// add hands a call to an idle worker, or lets it wait.
func (q *queue) add(c *call) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	calls := q.line(c.flow).of(c.kind)
	*calls = append(*calls, c)
	q.dispatch()
}

// retry lets a call wait that was taken already, before all others of its kind.
func (q *queue) retry(c *call) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.release(c.flow)
	calls := q.line(c.flow).of(c.kind)
	*calls = slices.Insert(*calls, 0, c)
	q.dispatch()
}

// line returns the line of a flow, which comes last if it is new.
func (q *queue) line(f flow) *line {
	o, l := q.find(f)
	if o == nil {
		o = &origin{name: f.origin}
		q.turns = append(q.turns, o)
	}
	if l == nil {
		l = &line{flow: f}
		o.turns = append(o.turns, l)
	}
	return l
}

// find returns the line of a flow, and its origin, nil where nothing of them waits.
func (q *queue) find(f flow) (*origin, *line) {
	for _, o := range q.turns {
		if o.name != f.origin {
			continue
		}
		for _, l := range o.turns {
			if l.flow == f {
				return o, l
			}
		}
		return o, nil
	}
	return nil, nil
}

func (l *line) of(k kind) *[]*call {
	if k == kindExamine {
		return &l.examinations
	}
	return &l.jobs
}

// take takes out the next call.
func (l *line) take() *call {
	calls := &l.jobs
	if len(l.examinations) > 0 && (!l.examined || len(l.jobs) == 0) {
		calls = &l.examinations
	}
	c := (*calls)[0]
	*calls = slices.Delete(*calls, 0, 1)
	l.examined = c.kind == kindExamine
	return c
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
	o, l := q.turn()
	if l == nil {
		return nil
	}
	c := l.take()
	q.turns = append(without(q.turns, o), o)
	o.turns = append(without(o.turns, l), l)
	q.forget(o, l)
	q.running[c.flow]++
	return c
}

// turn returns whose turn it is, or nil.
func (q *queue) turn() (next *origin, of *line) {
	full := q.held(q.heavy.isHeavy) >= q.share
	var last *origin
	for _, o := range q.turns {
		if o.name == render.OriginTemplates {
			last = o
			continue
		}
		i := slices.IndexFunc(o.turns, func(l *line) bool {
			return q.running[l.flow] < q.share && (!full || !q.heavy.isHeavy(l.flow))
		})
		if i < 0 {
			continue
		}
		if q.held(func(f flow) bool { return f.origin == o.name }) < q.share {
			return o, o.turns[i]
		}
		if next == nil {
			next, of = o, o.turns[i]
		}
	}
	if next == nil && last != nil && q.held(func(f flow) bool { return f.origin == last.name }) == 0 {
		if i := slices.IndexFunc(last.turns, func(l *line) bool { return !full || !q.heavy.isHeavy(l.flow) }); i >= 0 {
			return last, last.turns[i]
		}
	}
	return next, of
}

// held returns how many workers the flows hold for which is is true.
func (q *queue) held(is func(flow) bool) (held int) {
	for f, n := range q.running {
		if is(f) {
			held += n
		}
	}
	return held
}

// done gives back what a call held.
func (q *queue) done(c *call) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.heavy.note(c.flow, c.heavy)
	q.release(c.flow)
	q.dispatch()
}

func (q *queue) release(f flow) {
	if q.running[f]--; q.running[f] <= 0 {
		delete(q.running, f)
	}
}

// remove takes a call out that waits. It says whether it did: a call that a worker has taken stays there.
func (q *queue) remove(c *call) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	o, l := q.find(c.flow)
	if l == nil {
		return false
	}
	calls := l.of(c.kind)
	i := slices.Index(*calls, c)
	if i < 0 {
		return false
	}
	*calls = slices.Delete(*calls, i, i+1)
	q.forget(o, l)
	return true
}

// forget removes a line and an origin of which nothing waits.
func (q *queue) forget(o *origin, l *line) {
	if len(l.examinations)+len(l.jobs) == 0 {
		o.turns = without(o.turns, l)
	}
	if len(o.turns) == 0 {
		q.turns = without(q.turns, o)
	}
}

func without[T comparable](list []T, item T) []T {
	return slices.DeleteFunc(list, func(other T) bool { return other == item })
}
