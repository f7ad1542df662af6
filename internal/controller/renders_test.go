package controller

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// However many executions of one namespace take long to render, others go on.
func TestRenders(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testTime)
	renders := newRenders(clock)
	var ends []func()
	fill := func(namespace string) (begun int) {
		for range 2 * maxConcurrentReconciles {
			if end, ok := renders.begin(namespace); ok {
				ends = append(ends, end)
				begun++
			}
		}
		return begun
	}
	if got := fill("fast"); got != maxRenders {
		t.Errorf("%d renders begin, want %d of %d reconciles", got, maxRenders, maxConcurrentReconciles)
	}
	if got := fill("other"); got != 1 {
		t.Errorf("%d renders of another namespace begin, want 1", got)
	}
	for _, end := range ends {
		end()
	}
	if len(renders.byNamespace) != 0 || renders.total != 0 {
		t.Errorf("%d namespaces and %d renders remain", len(renders.byNamespace), renders.total)
	}

	if _, ok := renders.begin("slow"); !ok {
		t.Error("the first render may not begin")
	}
	clock.SetTime(testTime.Add(slowRender + time.Millisecond))
	if got := fill("slow"); got != maxSlowRenders-1 {
		t.Errorf("%d more renders of a slow namespace begin, want %d", got, maxSlowRenders-1)
	}
	if got := fill("other"); got != maxRenders-maxSlowRenders {
		t.Errorf("%d renders of another namespace begin, want %d", got, maxRenders-maxSlowRenders)
	}
}

// An execution that may not be rendered yet comes back soon. Nothing is written of it.
func TestManyRenders(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	for range maxSlowRenders {
		c.reconciler.renders.begin(testKey.Namespace)
	}
	c.clock.SetTime(testTime.Add(time.Second))
	result, calls, err := c.reconcile()
	if after := result.RequeueAfter; err != nil || len(calls) > 0 || after < minWaitInterval || after > 2*minWaitInterval {
		t.Errorf("calls = %q, error = %v, retried after %v", calls, err, after)
	}
}
