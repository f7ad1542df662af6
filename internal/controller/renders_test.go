package controller

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clocktesting "k8s.io/utils/clock/testing"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
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

// countingRenderer counts the renders.
type countingRenderer struct {
	render.Renderer
	renders int
}

func (r *countingRenderer) Job(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	r.renders++
	return r.Renderer.Job(ctx, template, execution)
}

// While the name of its Job is taken by one that will go, an execution is rendered once only.
func TestLookBeforeRender(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	c.make(newJob(finalized, func(job *batchv1.Job) { job.UID, job.OwnerReferences, job.Labels = "another", nil, nil }))
	c.delete(newJob())
	counting := &countingRenderer{Renderer: c.reconciler.renderer}
	c.reconciler.renderer = counting
	for i := range 4 {
		result, _, err := c.reconcile()
		if err != nil || result.RequeueAfter < minWaitInterval {
			t.Fatalf("try %d: error = %v, retried after %v", i, err, result.RequeueAfter)
		}
		c.sync()
		c.clock.SetTime(c.clock.Now().Add(time.Minute))
	}
	if counting.renders != 1 {
		t.Errorf("%d renders, want 1", counting.renders)
	}
	going := newJob()
	if err := c.server.Get(t.Context(), testKey, going); err != nil {
		t.Fatal(err)
	}
	going.Finalizers = nil
	if err := c.server.Update(t.Context(), going); err != nil {
		t.Fatal(err)
	}
	if _, calls, err := c.reconcile(); err != nil || !slices.Contains(calls, "create Job") {
		t.Errorf("calls = %q, error = %v after the other Job is gone, want a try", calls, err)
	}
	if got := fmt.Sprint(c.jobs()); got != "[run]" {
		t.Errorf("jobs = %s", got)
	}
}
