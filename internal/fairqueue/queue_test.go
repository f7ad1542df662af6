package fairqueue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// asking collects who was granted, in order.
type asking struct {
	t        *testing.T
	queue    *Queue
	granted  []string
	releases map[string]func()
}

func newAsking(t *testing.T, queue *Queue) *asking {
	return &asking{t: t, queue: queue, releases: map[string]func(){}}
}

// ask has name ask for weight, and returns when it was granted or waits.
func (a *asking) ask(name string, origin Origin, weight int64) {
	go func() {
		release, err := a.queue.Acquire(a.t.Context(), origin, weight)
		if err == nil {
			a.granted = append(a.granted, name)
			a.releases[name] = release
		}
	}()
	synctest.Wait()
}

func (a *asking) release(name string) {
	a.releases[name]()
	synctest.Wait()
}

func (a *asking) want(reason string, names ...string) {
	a.t.Helper()
	if diff := cmp.Diff(names, a.granted); diff != "" {
		a.t.Errorf("%s: granted (-want +got):\n%s", reason, diff)
	}
}

func TestAddressesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t, New(2, 2, 2))
		stranger, server := Origin{Address: "stranger"}, Origin{Address: "server"}
		for _, name := range []string{"x1", "x2", "x3", "x4"} {
			a.ask(name, stranger, 1)
		}
		a.ask("s1", server, 1)
		a.ask("s2", server, 1)
		a.want("the stranger came first, and takes all there is", "x1", "x2")
		a.release("x1")
		a.release("x2")
		a.release("x3")
		a.release("s1")
		a.want("one of each in turn", "x1", "x2", "x3", "s1", "x4", "s2")
	})
}

func TestAnAddressLeavesRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t, New(4, 3, 3))
		for _, name := range []string{"x1", "x2", "x3", "x4"} {
			a.ask(name, Origin{Address: "stranger"}, 1)
		}
		a.want("no more than its share", "x1", "x2", "x3")
		a.ask("s1", Origin{Address: "server"}, 1)
		a.want("others need not wait", "x1", "x2", "x3", "s1")
	})
}

func TestAFlowLeavesRoomForOthersOfItsAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t, New(3, 2, 1))
		busy, other := Origin{"server", "busy"}, Origin{"server", "other"}
		for _, name := range []string{"b1", "b2", "b3", "b4"} {
			a.ask(name, busy, 1)
		}
		a.want("it never holds more, or the next one would have to wait", "b1")
		a.ask("o1", other, 1)
		a.want("others need not wait", "b1", "o1")
		a.release("b1")
		a.want("it gets its share again", "b1", "o1", "b2")
	})
}

func TestLargeRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t, New(4, 2, 2))
		a.ask("s", Origin{Address: "small"}, 1)
		a.ask("large", Origin{Address: "large"}, 9)
		a.ask("late", Origin{Address: "late"}, 1)
		a.want("it waits until it is alone, and others pass it", "s", "late")
		a.release("s")
		a.release("late")
		a.want("larger than everything, and alone", "s", "late", "large")
		a.ask("later", Origin{Address: "late"}, 1)
		a.release("large")
		a.want("then the others", "s", "late", "large", "later")
	})
}

func TestALargeRequestIsNotPassedForEver(t *testing.T) {
	for _, test := range []struct {
		reason, blocked string
		queue           *Queue
	}{
		{"it waits for the capacity, others are of other addresses", "large", New(3, 3, 3)},
		{"it waits for the share of its address", "small", New(9, 3, 3)},
	} {
		synctest.Test(t, func(t *testing.T) {
			large, small := Origin{test.blocked, "large"}, Origin{"small", "small"}
			a := newAsking(t, test.queue)
			a.ask("first", small, 1)
			a.ask("large", large, 3)
			last := "first"
			for i := range maxPassed {
				name := fmt.Sprint(i)
				a.ask(name, small, 1)
				if a.releases[name] == nil {
					t.Fatalf("%s: %s had to wait", test.reason, name)
				}
				a.release(last)
				last = name
			}
			a.ask("late", small, 1)
			if a.releases["late"] != nil {
				t.Errorf("%s: it was passed once more", test.reason)
			}
			a.release(last)
			if a.releases["large"] == nil {
				t.Errorf("%s: it still waits", test.reason)
			}
			a.release("large")
			if a.releases["late"] == nil {
				t.Errorf("%s: the late one still waits", test.reason)
			}
		})
	}
}

// Who waits for the share of its own address never keeps other addresses waiting, and is passed by its own only.
func TestWhoWaitsForItsShareIsInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := New(9, 3, 3)
		a := newAsking(t, queue)
		a.ask("first", Origin{"stranger", "first"}, 1)
		a.ask("large", Origin{"stranger", "large"}, 3)
		for range 2 * maxPassed {
			a.ask("s", Origin{Address: "server"}, 1)
			a.release("s")
		}
		large := queue.addresses["stranger"].flows["large"].waiters[0]
		if large.passed > 0 {
			t.Errorf("it was passed %d times by others", large.passed)
		}
		large.passed = maxPassed
		a.granted = nil
		a.ask("small", Origin{"stranger", "first"}, 1)
		a.ask("server", Origin{Address: "server"}, 1)
		a.want("its own address waits behind it, and others do not", "server")
	})
}

func TestFlowsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t, New(1, 1, 1))
		a.ask("hold", Origin{"server", "busy"}, 1)
		for _, name := range []string{"b1", "b2", "b3"} {
			a.ask(name, Origin{"server", "busy"}, 1)
		}
		a.ask("o1", Origin{"server", "other"}, 1)
		a.ask("o2", Origin{"server", "other"}, 1)
		for _, name := range []string{"hold", "b1", "o1", "b2", "o2"} {
			if a.releases[name] == nil {
				t.Fatalf("%s was not granted when it was its turn: %v", name, a.granted)
			}
			a.release(name)
		}
		a.want("one of each in turn", "hold", "b1", "o1", "b2", "o2", "b3")
	})
}

// A request that is larger than the share of a flow has its turn, too, where its flow holds nothing.
func TestALargeRequestOfAFlowHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t, New(4, 4, 2))
		a.ask("hold", Origin{"server", "hold"}, 4)
		a.ask("large", Origin{"server", "large"}, 4)
		a.ask("s1", Origin{"server", "small"}, 2)
		a.ask("s2", Origin{"server", "small"}, 2)
		a.release("hold")
		a.want("it came first", "hold", "large")
	})
}

// A flow that cannot be granted anything now does not keep other flows of its address waiting.
func TestAFlowThatHasToWaitIsPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsking(t, New(8, 4, 4))
		large, small := Origin{"server", "large"}, Origin{"server", "small"}
		a.ask("l1", large, 3)
		a.ask("l2", large, 3)
		a.ask("s1", small, 1)
		a.want("the second large one waits for the share", "l1", "s1")
	})
}

func TestWhoGivesUpKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := New(2, 2, 2)
		a := newAsking(t, queue)
		a.ask("small", Origin{Address: "a"}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = queue.Acquire(ctx, Origin{Address: "b"}, 2) }()
		synctest.Wait()
		queue.addresses["b"].flows[""].waiters[0].passed = maxPassed
		a.ask("behind", Origin{Address: "c"}, 1)
		a.want("it waits behind the large one", "small")
		cancel()
		synctest.Wait()
		a.want("the large one has gone", "small", "behind")
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := New(1, 1, 1)
		release, err := queue.Acquire(t.Context(), Origin{Address: "a"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := queue.Acquire(ctx, Origin{Address: "b"}, 1)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		release()
		release() // Only the first call counts.
		if queue.used != 0 || len(queue.addresses) != 0 || len(queue.turns) != 0 {
			t.Errorf("something is left: %+v", queue)
		}
	})
}

// Whoever asks, the limits hold, everyone is served, and nothing is left.
func TestManyCallers(t *testing.T) {
	queue := New(10, 4, 2)
	var used atomic.Int64
	var callers sync.WaitGroup
	for i := range 64 {
		origin := Origin{string(rune('a' + i%5)), string(rune('a' + i%3))}
		callers.Go(func() {
			for range 200 {
				weight := rand.Int64N(4) + 1
				ctx, cancel := context.WithCancel(t.Context())
				if rand.IntN(4) == 0 {
					go cancel()
				}
				if release, err := queue.Acquire(ctx, origin, weight); err == nil {
					if now := used.Add(weight); now > 10 {
						t.Errorf("%d of 10 are used", now)
					}
					used.Add(-weight)
					release()
				}
				cancel()
			}
		})
	}
	callers.Wait()
	if queue.used != 0 || len(queue.addresses) != 0 || len(queue.turns) != 0 {
		t.Errorf("something is left: used %d, %d addresses, %d turns", queue.used, len(queue.addresses), len(queue.turns))
	}
}
