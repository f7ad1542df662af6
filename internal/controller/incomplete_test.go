package controller

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
)

// Whatever the memory has dropped, a Job has the whole payload and what the template says.
func TestAJobIsRenderedFromWholeObjects(t *testing.T) {
	payload := strings.Repeat("x", 100<<10)
	large := func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Payload = payload }
	marked := func(e *dispatcherv1alpha1.JobExecution) {
		large(e)
		e.Annotations = map[string]string{"dispatcher.ivan.vc/incomplete": "by hand"}
	}
	markedWithout := func(e *dispatcherv1alpha1.JobExecution) {
		marked(e)
		e.Spec.Payload = ""
	}
	for _, test := range []struct {
		reason    string
		execution *dispatcherv1alpha1.JobExecution
		dropped   bool // The memory has dropped the payload and the template.
		calls     []string
	}{
		{"a small payload", newExecution(), false, []string{"create Job"}},
		{"a large payload", newExecution(large), false, []string{"create Job"}},
		{"a small payload, and the template was dropped", newExecution(), true, []string{"get JobTemplate", "create Job"}},
		{"a large payload, and both were dropped", newExecution(large), true,
			[]string{"get JobExecution", "get JobTemplate", "create Job"}},
		{"a user has set our annotation", newExecution(marked), false, []string{"create Job"}},
		{"a user has set our annotation, without a payload", newExecution(markedWithout), false,
			[]string{"get JobExecution", "create Job"}},
	} {
		c := newCluster(t, newTemplate(), test.execution.DeepCopy())
		if test.dropped {
			c.dropKept()
		}
		if diff := cmp.Diff(test.calls, c.stepUnseen()); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", test.reason, diff)
		}
		job := &batchv1.Job{}
		if err := c.server.Get(t.Context(), testKey, job); err != nil {
			t.Errorf("%s: %v", test.reason, err)
			continue
		}
		if got := job.Spec.Template.Spec.Containers[0].Args[0]; got != test.execution.Spec.Payload {
			t.Errorf("%s: the Job has another payload, of %d bytes", test.reason, len(got))
		}
	}
}

// An execution that is gone by the time its payload is read gets no Job, and is no error.
func TestAnExecutionThatIsGoneIsNotRendered(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(func(e *dispatcherv1alpha1.JobExecution) {
		e.Spec.Payload = strings.Repeat("x", 100<<10)
	}))
	c.dropKept()
	c.delete(newExecution())
	if diff := cmp.Diff([]string{"get JobExecution"}, c.stepUnseen()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if jobs := c.jobs(); len(jobs) > 0 {
		t.Errorf("it has the Jobs %v", jobs)
	}
}

// dropKept drops what is kept in memory beside the informers.
func (c *cluster) dropKept() {
	cached, live := c.clients()
	old := c.reconciler
	c.reconciler = newReconciler(cached, live, objectcache.New(), old.renderer, c.recorder, c.clock, old.lease)
}

// noRenderer fails a test that renders.
type noRenderer struct {
	render.Renderer
	t *testing.T
}

func (n noRenderer) Job(
	context.Context, *dispatcherv1alpha1.JobTemplate, *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	n.t.Error("a Job is rendered")
	return nil, field.ErrorList{field.InternalError(nil, errors.New("a Job is rendered"))}
}

func TestNothingIncompleteIsRendered(t *testing.T) {
	execution := newExecution(func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Payload = strings.Repeat("x", 100<<10) })
	stripped := transformed(t, objectcache.New(), []client.Object{newTemplate(), execution.DeepCopy()})
	template := stripped[0].(*dispatcherv1alpha1.JobTemplate)
	withoutPayload := stripped[1].(*dispatcherv1alpha1.JobExecution)
	for _, test := range []struct {
		reason    string
		template  *dispatcherv1alpha1.JobTemplate
		execution *dispatcherv1alpha1.JobExecution
	}{
		{"the template lacks its spec", template, execution},
		{"the execution lacks its payload", newTemplate(), withoutPayload},
	} {
		c := newCluster(t)
		c.reconciler.renderer = noRenderer{t: t}
		read := func(context.Context, types.NamespacedName) (*dispatcherv1alpha1.JobTemplate, error) {
			return test.template, nil
		}
		_, err := c.reconciler.renderJobFrom(t.Context(), read, test.execution)
		var terminal *terminalError
		if !errors.Is(err, errIncomplete) || errors.As(err, &terminal) {
			t.Errorf("%s: error %v, want one that is retried", test.reason, err)
		}
	}
}
