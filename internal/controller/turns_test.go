package controller

import (
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// A namespace whose calls take long gets a part of the reconciles, until a while after they are quick again.
func TestTurns(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testTime)
	turns := newTurns(clock)
	var ends []func()
	begin := func(namespace string) bool {
		end, ok := turns.begin(namespace)
		if ok {
			ends = append(ends, end)
		}
		return ok
	}
	pass := func(d time.Duration) { clock.SetTime(clock.Now().Add(d)) }
	endAll := func() {
		for _, end := range ends {
			end()
		}
		ends = nil
	}

	for range maxConcurrentReconciles {
		if !begin("hangs") {
			t.Fatal("a namespace that is quick may have all")
		}
	}
	pass(slowReconcile + time.Second)
	if begin("hangs") {
		t.Error("a namespace with a slow reconcile has more than its part")
	}
	if !begin("other") {
		t.Error("another namespace has to wait")
	}
	endAll()

	for n := range maxSlowReconciles + 1 {
		if begin("hangs") != (n < maxSlowReconciles) {
			t.Errorf("a namespace that was slow a moment ago: reconcile %d", n)
		}
	}
	for range maxConcurrentReconciles - maxSlowReconciles {
		if !begin("other") {
			t.Error("another namespace does not get the rest")
		}
	}
	endAll()

	pass(slowFor)
	for range maxConcurrentReconciles {
		if !begin("hangs") {
			t.Error("a namespace stays slow")
		}
	}
	endAll()
	if turns.total != 0 || len(turns.byNamespace) != 0 {
		t.Errorf("%d reconciles and %d namespaces are left", turns.total, len(turns.byNamespace))
	}
}

// Many slow namespaces together leave some reconciles to others.
func TestTurnsOfManySlowNamespaces(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testTime)
	turns := newTurns(clock)
	namespaces := []string{"a", "b", "c", "d", "e"}
	for _, namespace := range namespaces {
		end, _ := turns.begin(namespace)
		clock.SetTime(clock.Now().Add(slowReconcile + time.Second))
		end()
	}
	begun := 0
	for range maxSlowReconciles {
		for _, namespace := range namespaces {
			if _, ok := turns.begin(namespace); ok {
				begun++
			}
		}
	}
	if begun != maxSlowTotal {
		t.Errorf("%d reconciles began, want %d", begun, maxSlowTotal)
	}
	if _, ok := turns.begin("f"); !ok {
		t.Error("another namespace has to wait")
	}
}

// An execution of a slow namespace is tried again soon, without a call and without an error.
func TestSlowNamespaceWaits(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	var ends []func()
	for range maxSlowReconciles {
		end, _ := c.reconciler.turns.begin(testKey.Namespace)
		ends = append(ends, end)
	}
	c.clock.SetTime(c.clock.Now().Add(slowReconcile + time.Second))
	result, calls, err := c.reconcile()
	if err != nil || len(calls) > 0 || result.RequeueAfter < minWaitInterval || result.RequeueAfter > 2*minWaitInterval {
		t.Errorf("calls = %q, error = %v, retried after %v", calls, err, result.RequeueAfter)
	}
	for _, end := range ends {
		end()
	}
	if calls := c.step(); !slices.Contains(calls, "create Job") {
		t.Errorf("calls = %q, want a create", calls)
	}
	if left := c.reconciler.turns.total; left != 0 {
		t.Errorf("%d reconciles have not ended", left)
	}
}
