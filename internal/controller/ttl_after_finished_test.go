package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

func TestCleanUp(t *testing.T) {
	ttl := func(seconds int32) func(*dispatcherv1alpha1.JobExecution) {
		return func(execution *dispatcherv1alpha1.JobExecution) { execution.Spec.TTLSecondsAfterFinished = &seconds }
	}
	endedWith := func(changes ...func(*batchv1.Job)) func(*dispatcherv1alpha1.JobExecution) {
		return func(execution *dispatcherv1alpha1.JobExecution) {
			execution.Status = deriveStatus(execution, newJob(changes...), podSummary{})
		}
	}
	endedWithout := func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status = failedStatus(
			execution, nil, &terminalError{reason: dispatcherv1alpha1.ReasonJobInvalid}, at(31).Time,
		)
	}
	endedByCancel := func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status = failedStatus(
			execution, newJob(active), &terminalError{reason: dispatcherv1alpha1.ReasonCanceled}, at(31).Time,
		)
	}
	unlabelled := newJob(complete, func(job *batchv1.Job) { job.Labels = nil })

	for _, test := range []struct {
		reason    string
		execution *dispatcherv1alpha1.JobExecution
		cached    *batchv1.Job
		job       *batchv1.Job // on the server
		now       metav1.Time
		gone      bool
		after     time.Duration
	}{
		{"a TTL counts from the end", newExecution(endedWith(complete), ttl(60)), newJob(complete), newJob(complete),
			at(41), false, 50 * time.Second},
		{"at its end all goes", newExecution(endedWith(complete), ttl(60)), newJob(complete), newJob(complete), at(91),
			true, 0},
		{"a TTL of zero is one", newExecution(endedWith(complete), ttl(0)), newJob(complete), newJob(complete), at(31),
			true, 0},
		{"with a TTL the record outlives the Job", newExecution(endedWith(complete), ttl(60)), nil, nil, at(41), false,
			50 * time.Second},
		{"a TTL goes for what ended without a Job", newExecution(endedWithout, ttl(60)), nil, nil, at(91), true, 0},
		{"a TTL goes for what lost its Job", newExecution(endedWith(active, deleting), ttl(60)), nil, nil, at(81), true,
			0},
		{"without a TTL it stays while its Job does", newExecution(endedWith(complete)), newJob(complete),
			newJob(complete), at(1000), false, 0},
		{"and goes after it", newExecution(endedWith(complete)), nil, nil, at(1000), true, 0},
		{"and after a Job that failed", newExecution(endedWith(failed(""))), nil, nil, at(1000), true, 0},
		{"a Job that the cache does not show is not gone", newExecution(endedWith(complete)), nil, newJob(complete),
			at(1000), false, 0},
		{"nor is one that lost its label", newExecution(endedWith(complete)), nil, unlabelled, at(1000), false, 0},
		{"another Job of that name does not count", newExecution(endedWith(complete)), nil,
			newJob(func(job *batchv1.Job) { job.UID = "another" }), at(1000), true, 0},
		{"what ended without a Job stays", newExecution(endedWithout), nil, nil, at(1000), false, 0},
		{"what lost its Job stays", newExecution(endedWith(active, deleting)), nil, nil, at(1000), false, 0},
		{"what was canceled stays without its Job", newExecution(endedByCancel), nil, nil, at(1000), false, 0},
		{"until its TTL", newExecution(endedByCancel, ttl(60)), nil, nil, at(91), true, 0},
	} {
		t.Run(test.reason, func(t *testing.T) {
			server, cache := []client.Object{test.execution}, []client.Object{test.execution}
			if test.job != nil {
				server = append(server, test.job)
			}
			if test.cached != nil {
				cache = append(cache, test.cached)
			}
			c := newLaggingCluster(t, store(server...), store(cache...))
			c.clock.SetTime(test.now.Time)
			result, _, err := c.reconcile()
			if err != nil {
				t.Fatal(err)
			}
			if result.RequeueAfter != test.after {
				t.Errorf("requeue after %v, want %v", result.RequeueAfter, test.after)
			}
			if gone := c.execution() == nil; gone != test.gone {
				t.Fatalf("gone = %v, want %v", gone, test.gone)
			}
			var want []client.DeleteOptions
			if test.gone {
				want = []client.DeleteOptions{{
					Preconditions:     &metav1.Preconditions{UID: new(test.execution.UID)},
					PropagationPolicy: ptr.To(metav1.DeletePropagationBackground),
				}}
			}
			if diff := cmp.Diff(want, c.deletions, cmp.FilterPath(func(path cmp.Path) bool { return path.String() == "Raw" }, cmp.Ignore())); diff != "" {
				t.Errorf("options of the deletion (-want +got):\n%s", diff)
			}
		})
	}
}

// A policy that keeps Dispatcher from changing a Job does not keep an execution for longer than its TTL.
func TestCleanUpWhereJobsAreProtected(t *testing.T) {
	execution := newExecution(ranWith(complete), func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Spec.TTLSecondsAfterFinished = new(int32(60))
	})
	c := newCluster(t, execution, newJob(complete, withTTL(60)))
	denied := apierrors.NewForbidden(jobs, "run", nil)
	denied.ErrStatus.Message = `admission webhook "policy.example.com" denied the request: protected`
	c.answers = map[string]error{"patch Job": denied}
	c.clock.SetTime(at(41).Time)
	if _, _, err := c.reconcile(); err == nil || c.execution() == nil {
		t.Errorf("before its TTL has expired: error %v, execution %v", err, c.execution())
	}
	c.clock.SetTime(at(91).Time)
	c.step()
	if c.execution() != nil {
		t.Error("it is kept for longer than its TTL")
	}
}

// What cannot be read may be there: the record of an execution is kept until its Job is known to be gone.
func TestCleanUpKeepsWhatItCannotJudge(t *testing.T) {
	c := newCluster(t, newExecution(ranWith(complete)))
	c.reconciler.apiReader = interceptor.NewClient(c.server, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errNoRoom
		},
	})
	if _, _, err := c.reconcile(); err == nil {
		t.Error("no error although the Job could not be read")
	}
	if c.execution() == nil {
		t.Error("the execution was deleted although its Job could not be read")
	}
}

// What somebody else has deleted, or made anew, is none of our business, and no error.
func TestDeletionsThatComeTooLate(t *testing.T) {
	ttl := func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Spec.TTLSecondsAfterFinished = new(int32(0))
	}
	endedByCancel := func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status = failedStatus(
			execution, newJob(active), &terminalError{reason: dispatcherv1alpha1.ReasonCanceled}, at(31).Time,
		)
	}
	for reason, objects := range map[string][]client.Object{
		"an execution": {newExecution(ranWith(complete), ttl)},
		"a Job":        {newExecution(endedByCancel), newJob(active)},
	} {
		resource := jobs
		if len(objects) == 1 {
			resource = schema.GroupResource{Group: dispatcherv1alpha1.GroupVersion.Group, Resource: "jobexecutions"}
		}
		for _, test := range []struct {
			answer error
			fails  bool
		}{
			{apierrors.NewNotFound(resource, "run"), false},
			{apierrors.NewConflict(resource, "run", errors.New("the UID is another one")), false},
			{errNoRoom, true},
		} {
			c := newCluster(t, objects...)
			c.clock.SetTime(at(91).Time)
			asked := false
			cached, _ := c.clients()
			c.reconciler.client = interceptor.NewClient(cached, interceptor.Funcs{
				Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
					asked = true
					return test.answer
				},
			})
			if _, _, err := c.reconcile(); !asked || (err != nil) != test.fails {
				t.Errorf("%s, answered with %v: error %v, want one: %v", reason, test.answer, err, test.fails)
			}
		}
	}
}
