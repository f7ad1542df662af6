package controller

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// call is a call of the controller, in a state in which it makes that call.
type call struct {
	name          string
	about         schema.GroupResource
	object        string
	server, cache []client.Object
	seconds       int // How long after testTime the call is made.
	done          func(*cluster) bool
}

func calls() []call {
	unlabelled := func(job *batchv1.Job) { job.Labels = nil }
	ended := newExecution(canceling)
	ended.Status = failedStatus(ended, nil, &terminalError{reason: dispatcherv1alpha1.ReasonCanceled}, at(5).Time)
	expired := newExecution(ranWith(complete), func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Spec.TTLSecondsAfterFinished = new(int32(0))
	})
	template, run := newTemplate(), newExecution()
	incomplete := newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Annotations = map[string]string{"dispatcher.ivan.vc/incomplete": "true"}
		execution.Spec.Payload = ""
	})
	executions := schema.GroupResource{Group: dispatcherv1alpha1.GroupVersion.Group, Resource: "jobexecutions"}
	templates := schema.GroupResource{Group: dispatcherv1alpha1.GroupVersion.Group, Resource: "jobtemplates"}
	reason := func(want string) func(*cluster) bool {
		return func(c *cluster) bool { return c.execution() != nil && c.summary().Reason == want }
	}
	hasJob := func(c *cluster) bool { return len(c.jobs()) == 1 }
	hasNoJob := func(c *cluster) bool { return len(c.jobs()) == 0 }
	isIntact := func(c *cluster) bool { return c.execution() != nil && hasJob(c) }
	both := func(objects ...client.Object) []client.Object { return objects }
	return []call{
		{"create Job", jobs, "run", both(template, run), both(template, run), 0, hasJob},
		{"patch status of JobExecution", executions, "run",
			both(run, newJob(complete)), both(run, newJob(complete)), 0, reason("Succeeded")},
		{"delete Job", jobs, "run", both(ended, newJob(active)), both(ended, newJob(active)), 6, hasNoJob},
		{"delete JobExecution", executions, "run", both(expired, newJob(complete)), both(expired, newJob(complete)), 60,
			func(c *cluster) bool { return c.execution() == nil }},
		{"patch Job", jobs, "run", // to restore its TTL
			both(newExecution(ranWith(complete)), newJob(complete, withTTL(60))),
			both(newExecution(ranWith(complete)), newJob(complete, withTTL(60))), 60,
			func(c *cluster) bool { return *c.job().Spec.TTLSecondsAfterFinished == 60 }},
		{"patch Job", jobs, "run", // to restore its label
			both(newExecution(ranWith(active)), newJob(complete, unlabelled)), both(newExecution(ranWith(active))), 60,
			func(c *cluster) bool { return len(c.job().Labels) > 0 && reason("Succeeded")(c) }},
		{"get Job", jobs, "run", // of the status
			both(newExecution(ranWith(active)), newJob(complete, unlabelled)), both(newExecution(ranWith(active))), 60,
			reason("Succeeded")},
		{"get Job", jobs, "run", // before it is canceled
			both(newExecution(canceling), newJob(active)), both(newExecution(canceling)), 1,
			func(c *cluster) bool { return hasNoJob(c) && reason("Canceled")(c) }},
		{"get Job", jobs, "run", // whose name is taken
			both(template, run, newJob(active)), both(template, run), 1, reason("Running")},
		{"get Job", jobs, "run", // that may have been created from an earlier template
			both(newTemplate(broken), run, newJob(active)), both(newTemplate(broken), run), 1, reason("Running")},
		{"get Job", jobs, "run", // after which the execution is deleted
			both(newExecution(ranWith(complete)), newJob(complete, unlabelled)), both(newExecution(ranWith(complete))),
			60, isIntact},
		{"get JobExecution", executions, "run", both(template, run), both(template, run), 60, hasJob},
		{"get JobExecution", executions, "run", both(template, run), both(template, incomplete), 1, hasJob},
		{"get JobTemplate", templates, "hello", both(template, run), both(run), 1, hasJob},
	}
}

// answersTo returns the answers to a call that do not tell that the object of the call is gone or has changed, and for
// a write also those that do.
func answersTo(about call) map[string]error {
	otherGroup := schema.GroupResource{Resource: about.about.Resource}
	answers := map[string]error{
		"an error of the API server": errNoRoom,
		"none":                       errors.New("connection refused"),
		"a 404 of another object":    apierrors.NewNotFound(about.about, "another"),
		"a 404 of another kind":      apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, about.object),
		"a 404 of another group":     apierrors.NewNotFound(otherGroup, about.object),
		"a 409 of another object":    apierrors.NewConflict(about.about, "another", errors.New("changed")),
		"a 409 of a quota":           errQuotaRace,
	}
	for _, code := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		answers[fmt.Sprintf("a %d of a proxy", code)] = apierrors.NewGenericServerResponse(
			code, "get", about.about, about.object, "no such page", 0, true,
		)
		denied := apierrors.NewGenericServerResponse(code, "get", about.about, about.object, "", 0, false)
		denied.ErrStatus.Message = `admission webhook "policy.example.com" denied the request: protected`
		answers[fmt.Sprintf("a %d of a webhook", code)] = denied
	}
	isRead := about.name[:3] == "get"
	if !isRead || about.about.Resource == "jobexecutions" {
		answers["a 404 of the object"] = apierrors.NewNotFound(about.about, about.object)
	}
	if !isRead {
		answers["a 409 of the object"] = apierrors.NewConflict(about.about, about.object, errors.New("changed"))
	}
	return answers
}

// No answer ends the work on an execution: the call is made again, within a bounded time.
func TestNoAnswerEndsTheWork(t *testing.T) {
	for i, call := range calls() {
		for name, answer := range answersTo(call) {
			t.Run(fmt.Sprintf("%d %s/%s", i, call.name, name), func(t *testing.T) {
				c := newLaggingCluster(t, store(call.server...), store(call.cache...))
				c.clock.SetTime(at(call.seconds).Time)
				c.answers = map[string]error{call.name: answer}
				result, made, err := c.reconcile()
				if !slices.Contains(made, call.name) {
					t.Fatalf("calls = %q", made)
				}
				if err == nil && (result.RequeueAfter == 0 || result.RequeueAfter > 2*maxWaitInterval) {
					t.Errorf("tried again after %v", result.RequeueAfter)
				}

				c.answers = nil
				c.clock.SetTime(c.clock.Now().Add(result.RequeueAfter))
				for range 3 {
					_, _, err = c.reconcile()
					c.sync()
				}
				if err != nil || !call.done(c) {
					t.Errorf("not done: error %v, execution %+v", err, c.execution())
				}
			})
		}
	}
}

// An API server that answers that an object is gone or has changed, for longer than a cache lags, is reported.
func TestOutdatedForLong(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(complete))
	// This answers an API server whose CRD lacks the subresource.
	about := schema.GroupResource{Group: dispatcherv1alpha1.GroupVersion.Group, Resource: "jobexecutions"}
	c.answers = map[string]error{"patch status of JobExecution": apierrors.NewNotFound(about, "run")}
	began := c.clock.Now()
	for {
		result, _, err := c.reconcile()
		if waited := c.clock.Now().Sub(began); (err != nil) != (waited > outdatedFor) {
			t.Fatalf("after %v: error %v", waited, err)
		}
		if err != nil {
			break
		}
		c.clock.SetTime(c.clock.Now().Add(max(result.RequeueAfter, time.Second)))
	}

	c.answers = nil
	c.step()
	if got := c.summary().Status; got != metav1.ConditionTrue {
		t.Errorf("succeeded = %s", got)
	}
}

// job returns the Job on the server.
func (c *cluster) job() *batchv1.Job {
	c.t.Helper()
	job := &batchv1.Job{}
	if err := c.server.Get(c.t.Context(), testKey, job); err != nil {
		c.t.Fatal(err)
	}
	return job
}
