package sandbox

import (
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"dispatcher.ivan.vc/internal/render"
)

// flowOf reads origin/namespace.
func flowOf(name string) flow {
	origin, namespace, _ := strings.Cut(name, "/")
	return flow{origin, namespace}
}

// taken hands out n calls that wait, one at a time, without giving any back.
func taken(t *testing.T, q *queue, n int) (flows []string) {
	t.Helper()
	for range n {
		c := q.takeNow()
		if c == nil {
			return flows
		}
		flows = append(flows, c.origin+"/"+c.namespace)
	}
	return flows
}

// takeNow returns the call whose turn it is, or nil if none may have a worker.
func (q *queue) takeNow() *call {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.take()
}

func waiting(q *queue, flows ...string) (calls []*call) {
	for _, name := range flows {
		c := &call{flow: flowOf(name)}
		q.add(c)
		calls = append(calls, c)
	}
	return calls
}

// makeHeavy has each flow hold a worker for long, and then give it back.
func makeHeavy(q *queue, flows ...string) {
	for _, c := range waiting(q, flows...) {
		if q.takeNow() != c {
			panic("no worker for " + c.namespace)
		}
		c.heavy = true
		q.done(c)
	}
}

func TestTurns(t *testing.T) {
	for _, test := range []struct {
		name          string
		workers       int
		waiting, want []string
	}{
		{"no flow takes all workers, even where nobody else waits", 2, []string{"o/a", "o/a"}, []string{"o/a"}},
		{"the only worker is for all", 1, []string{"o/a", "o/a"}, []string{"o/a"}},
		{"an origin takes all workers where no other one waits", 2, []string{"o/a", "o/b"}, []string{"o/a", "o/b"}},
		{"namespaces take turns", 8, []string{"o/a", "o/a", "o/a", "o/b", "o/c", "o/b"},
			[]string{"o/a", "o/b", "o/c", "o/a", "o/b", "o/a"}},
		{"origins take turns, however many namespaces they name", 8, []string{"x/a", "x/b", "x/c", "o/a", "o/b"},
			[]string{"x/a", "o/a", "x/b", "o/b", "x/c"}},
		{"a flow that holds all workers but one is passed over", 2, []string{"o/a", "o/a", "o/b", "o/b"},
			[]string{"o/a", "o/b"}},
		{"even where it came first", 3, []string{"o/a", "o/a", "o/a", "o/b"}, []string{"o/a", "o/b", "o/a"}},
		{"so is an origin that holds all workers but one", 3, []string{"x/a", "x/b", "x/c", "o/a"},
			[]string{"x/a", "o/a", "x/b"}},
		{"what nobody waits for comes last, even where it came first", 8, []string{"templates/a", "o/a", "x/a", "o/a"},
			[]string{"o/a", "x/a", "o/a", "templates/a"}},
		{"and takes one worker, also where nobody else waits", 8, []string{"templates/a", "templates/b", "templates/a"},
			[]string{"templates/a"}},
		{"which may be the only one", 1, []string{"templates/a", "templates/b"}, []string{"templates/a"}},
	} {
		q := newQueue(test.workers)
		waiting(q, test.waiting...)
		if got := taken(t, q, test.workers); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestOriginThatWaits: an origin that holds all workers gives the next one to another origin, not to itself.
func TestOriginThatWaits(t *testing.T) {
	q := newQueue(2)
	held := waiting(q, "x/a", "x/b")
	taken(t, q, 2)
	waiting(q, "x/c", "o/a")
	q.done(held[0])
	if got := taken(t, q, 1); !slices.Equal(got, []string{"o/a"}) {
		t.Errorf("%v got the first worker that was free", got)
	}
}

// TestClaims: however many reviews strangers send that claim a namespace, the API server's reviews of that namespace,
// and its executions in the controller and in the HTTP API, get a worker at once.
func TestClaims(t *testing.T) {
	for _, origin := range []string{render.OriginWebhook + "10.0.0.1", render.OriginController, render.OriginHTTP} {
		q := newQueue(2)
		if strings.HasPrefix(origin, render.OriginWebhook) {
			q.heavy.note(flow{origin, "earlier"}, false) // An API server has sent other reviews before.
		}
		strangers := []flow{{render.OriginWebhook + "10.6.6.6", "victim"}, {render.OriginWebhook + "10.6.6.7", "victim"}}
		for range 20 {
			for _, stranger := range strangers {
				q.add(&call{flow: stranger})
			}
		}
		if got := taken(t, q, 2); len(got) != 1 {
			t.Errorf("%v got the workers", got)
		}
		c := &call{flow: flow{origin, "victim"}}
		q.add(c)
		if q.takeNow() != c {
			t.Errorf("%s: it has to wait", origin)
		}
	}
}

// TestHeavy: heavy flows never hold all workers, not even together, and are so for a while only.
func TestHeavy(t *testing.T) {
	q := newQueue(2)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	q.heavy.clock = clock
	makeHeavy(q, "o/heavy", "x/fat")
	waiting(q, "o/heavy", "o/heavy", "x/fat")
	held := q.takeNow()
	if c := q.takeNow(); c != nil {
		t.Errorf("%s got the last worker", c.namespace)
	}
	light := waiting(q, "o/light")[0]
	if c := q.takeNow(); c != light {
		t.Errorf("%s got the last worker", c.namespace)
	}
	q.done(light)
	q.done(held)
	waiting(q, "o/light", "o/light")
	if got := taken(t, q, 2); !slices.Equal(got, []string{"x/fat", "o/light"}) {
		t.Errorf("%v got the workers", got)
	}
	q = newQueue(2)
	q.heavy.clock = clock
	makeHeavy(q, "o/heavy", "x/fat")
	clock.SetTime(clock.Now().Add(heavyFor))
	waiting(q, "o/heavy", "x/fat")
	if got := taken(t, q, 2); !slices.Equal(got, []string{"o/heavy", "x/fat"}) {
		t.Errorf("%v got the workers, of two that were heavy once", got)
	}
}

// TestManyHeavy: who names another namespace in each slow review never holds all workers. Of the same origin, a
// namespace that is known not to be heavy still gets a worker.
func TestManyHeavy(t *testing.T) {
	q := newQueue(2)
	light := waiting(q, "o/light")[0]
	q.takeNow()
	q.done(light)
	makeHeavy(q, "o/a", "o/b", "o/a")
	waiting(q, "o/a", "o/new")
	if got := taken(t, q, 2); !slices.Equal(got, []string{"o/a", "o/new"}) {
		t.Errorf("%v got the workers: two heavy flows do not make others heavy", got)
	}
	q = newQueue(2)
	q.heavy.note(light.flow, false)
	makeHeavy(q, "o/a", "o/b", "o/c")
	waiting(q, "o/d", "o/e")
	if got := taken(t, q, 2); !slices.Equal(got, []string{"o/d"}) {
		t.Errorf("%v got the workers", got)
	}
	waiting(q, "o/light")
	if got := taken(t, q, 1); !slices.Equal(got, []string{"o/light"}) {
		t.Errorf("%v got the last worker", got)
	}
}

// TestHeavyAlone: the only worker is for all.
func TestHeavyAlone(t *testing.T) {
	q := newQueue(1)
	makeHeavy(q, "o/heavy", "o/heavy")
}

// TestHeavyCallGoesOn: one that waits for another heavy one to end gets an idle worker then.
func TestHeavyCallGoesOn(t *testing.T) {
	q := newQueue(2)
	calls := waiting(q, "o/heavy", "x/heavy")
	taken(t, q, 2)
	calls[1].heavy = true
	q.heavy.note(calls[0].flow, true)
	q.done(calls[1])
	waiting(q, "x/heavy")
	got := make(chan *call)
	go func() { got <- q.next(nil, nil) }()
	for idle := 0; idle == 0; {
		q.mutex.Lock()
		idle = len(q.idle)
		q.mutex.Unlock()
	}
	q.done(calls[0])
	<-got
}

// TestExaminationsAlternate: an examination does not wait for the executions before it, nor do these for all
// examinations that come.
func TestExaminationsAlternate(t *testing.T) {
	q := newQueue(8)
	var calls []*call
	for _, kind := range []kind{kindJob, kindJob, kindExamine, kindExamine, kindExamine} {
		c := &call{}
		c.kind = kind
		calls = append(calls, c)
		q.add(c)
	}
	for _, i := range []int{2, 0, 3, 1, 4} {
		if q.takeNow() != calls[i] {
			t.Errorf("call %d does not come when it should", i)
		}
	}
}

// TestTimeoutOfARetry: a call whose worker is killed late does not wait for ever.
func TestTimeoutOfARetry(t *testing.T) {
	p, err := NewPool(Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.limits.wait = time.Millisecond
	c := &call{outcome: make(chan outcome, 1)}
	p.queue.add(c)
	if p.queue.next(nil, nil) != c {
		t.Fatal("another call")
	}
	done := make(chan outcome)
	go func() {
		done <- p.await(t.Context(), c)
	}()
	<-time.After(50 * time.Millisecond) // The timer fires meanwhile.
	p.queue.retry(c)
	if errs := (<-done).errs; !render.Retryable(errs) {
		t.Errorf("got %v", errs)
	}
}

func TestOrderWithinAFlow(t *testing.T) {
	q := newQueue(4)
	calls := waiting(q, "o/a", "o/a", "o/a")
	first := q.next(nil, nil)
	q.retry(first)
	for i, want := range calls {
		if got := q.next(nil, nil); got != want {
			t.Errorf("call %d is another one", i)
		}
	}
	for _, c := range calls {
		q.done(c)
	}
	if len(q.running) > 0 {
		t.Errorf("workers are held by %v after all was done", q.running)
	}
}

// TestNoCallIsLost: a worker that ends while it is handed a call carries it out, or leaves it to others.
func TestNoCallIsLost(t *testing.T) {
	for range 1000 {
		q := newQueue(1)
		ended, got := make(chan struct{}), make(chan *call)
		go func() { got <- q.next(ended, nil) }()
		for idle := 0; idle == 0; {
			q.mutex.Lock()
			idle = len(q.idle)
			q.mutex.Unlock()
		}
		close(ended)
		c := waiting(q, "a")[0]
		if taken := <-got; taken != c && !q.remove(c) {
			t.Fatal("nobody has the call")
		}
	}
}

func TestRemove(t *testing.T) {
	q := newQueue(2)
	calls := waiting(q, "o/a", "o/a", "o/b", "x/c")
	for _, gone := range []int{0, 2} {
		if !q.remove(calls[gone]) {
			t.Errorf("call %d did not wait", gone)
		}
	}
	if got := taken(t, q, 2); !slices.Equal(got, []string{"o/a", "x/c"}) {
		t.Errorf("left are %v", got)
	}
	if len(q.turns) != 0 {
		t.Errorf("%d origins are remembered of which nothing waits", len(q.turns))
	}
	if q.remove(calls[1]) {
		t.Error("a call that was taken is said to wait")
	}
}

// TestWorkerEnds: one that waits for a call leaves no trace.
func TestWorkerEnds(t *testing.T) {
	q := newQueue(2)
	ended := make(chan struct{})
	close(ended)
	if c := q.next(ended, nil); c != nil {
		t.Error("got a call that nobody made")
	}
	waiting(q, "o/a")
	if c := q.next(ended, nil); c == nil {
		t.Error("the call was handed to a worker that has ended")
	}
}

// TestIdleWorkers: the one that was busy last gets the next call.
func TestIdleWorkers(t *testing.T) {
	q := newQueue(2)
	got := make(chan int)
	for i := range 2 {
		go func() {
			q.next(nil, nil)
			got <- i
		}()
		for idle := 0; idle <= i; {
			q.mutex.Lock()
			idle = len(q.idle)
			q.mutex.Unlock()
		}
	}
	waiting(q, "o/a")
	if i := <-got; i != 1 {
		t.Errorf("worker %d got the call", i)
	}
	waiting(q, "o/b")
	<-got
}
