package controller

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

func TestRenderJob(t *testing.T) {
	fixed := newTemplate()
	named := func(template *dispatcherv1alpha1.JobTemplate) { template.Spec.JobTemplate.Name = "given" }
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		reason         string
		ctx            context.Context
		cached, server *dispatcherv1alpha1.JobTemplate
		job            *batchv1.Job // on the server, and not in the cache
		want           string
		jobs           []string
		retried        bool
	}{
		{"a template that is gone does not come back", t.Context(), nil, nil, nil, "JobTemplateNotFound", []string{},
			false},
		{"a template that the cache has not seen yet is read past it", t.Context(), nil, fixed, nil, "Waiting",
			[]string{"run"}, false},
		{"a template that does not render is final", t.Context(), newTemplate(broken), newTemplate(broken), nil,
			"RenderFailed", []string{}, false},
		{"the template in the cache is no reason for a terminal error", t.Context(), newTemplate(broken),
			newTemplate(func(template *dispatcherv1alpha1.JobTemplate) { template.Generation = 3 }), nil, "Waiting",
			[]string{"run"}, false},
		{"nor is that of the cache when it is gone", t.Context(), newTemplate(broken), nil, nil, "JobTemplateNotFound",
			[]string{}, false},
		{"an execution that has a Job does not depend on its template", t.Context(), nil, nil, newJob(active),
			"Running", []string{"run"}, false},
		{"whatever its Job is called", t.Context(), newTemplate(broken), newTemplate(broken),
			newJob(active, func(job *batchv1.Job) { job.Name = "other" }), "Running", []string{"other"}, false},
		{"the name that was stored is the Job's, whatever name the template gives now", t.Context(), newTemplate(named),
			newTemplate(named), newJob(active, func(job *batchv1.Job) { job.Name = "other" }), "Running",
			[]string{"other"}, false},
		{"even if it gives none", t.Context(), newTemplate(), newTemplate(),
			newJob(active, func(job *batchv1.Job) { job.Name = "other" }), "Running", []string{"other"}, false},
		{"a name that the template gives now does not make a second Job", t.Context(), newTemplate(named),
			newTemplate(named), newJob(active), "Running", []string{"run"}, false},
		{"another execution's Job is no reason to wait", t.Context(), nil, nil,
			newJob(active, func(job *batchv1.Job) { job.OwnerReferences[0].UID = "another" }), "JobTemplateNotFound",
			[]string{"run"}, false},
		{"a manager that stops finishes no execution", stopped, newTemplate(broken), newTemplate(broken), nil,
			"Waiting", []string{}, true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			execution := newExecution()
			if test.job != nil && test.job.Name != execution.Name {
				execution.Status.JobName = test.job.Name
			}
			server, cache := []client.Object{execution}, []client.Object{execution.DeepCopy()}
			if test.server != nil {
				server = append(server, test.server)
			}
			if test.job != nil {
				server = append(server, test.job)
			}
			if test.cached != nil {
				cache = append(cache, test.cached)
			}
			c := newLaggingCluster(t, store(server...), store(cache...))
			_, err := c.reconciler.Reconcile(test.ctx, ctrl.Request{NamespacedName: testKey})
			if retried := err != nil; retried != test.retried {
				t.Errorf("error = %v, want one: %v", err, test.retried)
			}
			if got := c.summary().Reason; got != test.want {
				t.Errorf("reason = %s, want %s", got, test.want)
			}
			if diff := cmp.Diff(test.jobs, c.jobs()); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

// Where the template names the Job, the name is stored before the Job is made. Who did not see that makes none.
func TestNamedJob(t *testing.T) {
	named := func(template *dispatcherv1alpha1.JobTemplate) {
		template.Spec.JobTemplate.Name = "given-{{ randAlphaNum 10 | lower }}"
	}
	c := newCluster(t, newTemplate(named), newExecution())
	if diff := cmp.Diff([]string{"get Job", "patch status of JobExecution", "create Job"}, c.stepUnseen()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	name := c.execution().Status.JobName
	if diff := cmp.Diff([]string{name}, c.jobs()); diff != "" || !strings.HasPrefix(name, "given-") {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	c.reconciler.replaced.Clear()
	c.reconciler.startedJobs.byExecution.Clear()
	for _, behind := range []bool{true, false} {
		if !behind {
			c.sync()
		}
		if _, _, err := c.reconcile(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{name}, c.jobs()); diff != "" {
			t.Errorf("jobs, with a cache that is behind: %v (-want +got):\n%s", behind, diff)
		}
	}
}

// originRecorder remembers who asked for its last render.
type originRecorder struct {
	render.Renderer

	origin string
}

func (o *originRecorder) Job(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	o.origin = render.Origin(ctx)
	return o.Renderer.Job(ctx, template, execution)
}

// The renders of the controller have turns of their own, whatever admission renders for the same namespace.
func TestRendersCountForTheController(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	recorder := &originRecorder{Renderer: c.reconciler.renderer}
	c.reconciler.renderer = recorder
	if _, err := c.reconciler.renderJob(t.Context(), newExecution()); err != nil {
		t.Fatal(err)
	}
	if recorder.origin != render.OriginController {
		t.Errorf("rendered for %q", recorder.origin)
	}
}
