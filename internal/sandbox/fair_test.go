package sandbox

import (
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"dispatcher.ivan.vc/internal/render"
)

// taken hands out all calls that wait, one at a time, without giving any back.
func taken(q *queue, n int) (namespaces []string) {
	for range n {
		namespaces = append(namespaces, q.next(nil, nil).namespace)
	}
	return namespaces
}

func waiting(q *queue, namespaces ...string) (calls []*call) {
	for _, namespace := range namespaces {
		c := &call{namespace: namespace}
		q.add(c)
		calls = append(calls, c)
	}
	return calls
}

func TestTurns(t *testing.T) {
	for _, test := range []struct {
		name          string
		workers       int
		waiting, want []string
	}{
		{"one namespace takes all workers where nobody else waits", 2, []string{"a", "a"}, []string{"a", "a"}},
		{"namespaces take turns", 8, []string{"a", "a", "a", "b", "c", "b"}, []string{"a", "b", "c", "a", "b", "a"}},
		{"one that holds all workers but one is passed over", 2, []string{"a", "a", "b", "b"}, []string{"a", "b"}},
		{"even where it came first", 3, []string{"a", "a", "a", "b"}, []string{"a", "b", "a"}},
	} {
		q := newQueue(test.workers)
		waiting(q, test.waiting...)
		if got := taken(q, len(test.want)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestShare: a namespace that is given back a worker at once and asks again does not keep all of them.
func TestShare(t *testing.T) {
	q := newQueue(2)
	waiting(q, "greedy", "greedy", "greedy", "greedy")
	held := []*call{q.next(nil, nil), q.next(nil, nil)}
	waiting(q, "other")
	q.done(held[0])
	if c := q.next(nil, nil); c.namespace != "other" {
		t.Errorf("%s got the first worker that was free", c.namespace)
	}
}

// TestHeavy: heavy namespaces never hold all workers, not even together, and are so for a while only.
func TestHeavy(t *testing.T) {
	q := newQueue(2)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	q.clock = clock
	for _, namespace := range []string{"heavy", "fat"} {
		waiting(q, namespace)
		c := q.next(nil, nil)
		c.heavy = true
		q.done(c)
	}
	waiting(q, "heavy", "heavy", "fat")
	held := q.next(nil, nil)
	q.mutex.Lock()
	if c := q.take(); c != nil {
		t.Errorf("%s got the last worker", c.namespace)
	}
	q.mutex.Unlock()
	waiting(q, "light")
	if c := q.next(nil, nil); c.namespace != "light" {
		t.Errorf("%s got the last worker", c.namespace)
	} else {
		q.done(c)
	}
	q.done(held)
	waiting(q, "light", "light")
	if got := taken(q, 2); !slices.Equal(got, []string{"fat", "light"}) {
		t.Errorf("%v got the workers", got)
	}
	clock.SetTime(clock.Now().Add(heavyFor))
	if got := taken(q, 2); !slices.Contains(got, "heavy") {
		t.Errorf("%v got the workers, and not one that was heavy once", got)
	}
}

// TestHeavyAlone: the only worker is for all.
func TestHeavyAlone(t *testing.T) {
	q := newQueue(1)
	waiting(q, "heavy")
	c := q.next(nil, nil)
	c.heavy = true
	q.done(c)
	waiting(q, "heavy")
	taken(q, 1)
}

// TestHeavyCallGoesOn: one that waits for another heavy one to end gets an idle worker then.
func TestHeavyCallGoesOn(t *testing.T) {
	q := newQueue(2)
	calls := waiting(q, "heavy", "heavy")
	taken(q, 2)
	calls[1].heavy = true
	q.done(calls[1])
	waiting(q, "heavy")
	got := make(chan *call)
	go func() { got <- q.next(nil, nil) }()
	q.done(calls[0])
	<-got
}

func TestExaminationsGoFirst(t *testing.T) {
	q := newQueue(2)
	var calls []*call
	for _, kind := range []kind{kindJob, kindExamine, kindJob, kindExamine} {
		c := &call{namespace: "a"}
		c.kind = kind
		calls = append(calls, c)
		q.add(c)
	}
	for _, i := range []int{1, 3, 0, 2} {
		if q.next(nil, nil) != calls[i] {
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
	c := &call{namespace: "a", outcome: make(chan outcome, 1)}
	p.queue.put(c, false)
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

func TestOrderWithinANamespace(t *testing.T) {
	q := newQueue(4)
	calls := waiting(q, "a", "a", "a")
	first := q.next(nil, nil)
	q.retry(first)
	for i, want := range calls {
		if got := q.next(nil, nil); got != want {
			t.Errorf("call %d is another one", i)
		}
	}
}

func TestRemove(t *testing.T) {
	q := newQueue(2)
	calls := waiting(q, "a", "a", "b", "c")
	for _, gone := range []int{0, 2} {
		if !q.remove(calls[gone]) {
			t.Errorf("call %d did not wait", gone)
		}
	}
	if got := taken(q, 2); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("left are %v", got)
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
	waiting(q, "a")
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
	waiting(q, "a")
	if i := <-got; i != 1 {
		t.Errorf("worker %d got the call", i)
	}
	waiting(q, "a")
	<-got
}
