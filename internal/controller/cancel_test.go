package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
)

// canceling makes an execution that somebody has canceled, and that the controller has not looked at since.
func canceling(execution *dispatcherv1alpha1.JobExecution) {
	execution.Spec.Canceled = true
	execution.Generation = 2
}

// ranWith gives an execution the status of a Job.
func ranWith(changes ...func(*batchv1.Job)) func(*dispatcherv1alpha1.JobExecution) {
	return func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status = deriveStatus(execution, newJob(changes...), podSummary{})
	}
}

// announced makes a Job whose outcome is certain, and whose pods are still being stopped.
func announced(conditionType batchv1.JobConditionType) func(*batchv1.Job) {
	return func(job *batchv1.Job) {
		active(job)
		job.Status.Conditions = append(
			job.Status.Conditions,
			batchv1.JobCondition{Type: conditionType, Status: corev1.ConditionTrue, LastTransitionTime: at(9)},
		)
	}
}

func TestCancel(t *testing.T) {
	const write, readJob, remove = "patch status of JobExecution", "get Job", "delete Job"
	unlabelled := func(job *batchv1.Job) { job.Labels = nil }
	another := func(job *batchv1.Job) { job.UID, job.OwnerReferences = "another", nil }

	for _, test := range []struct {
		reason    string
		execution *dispatcherv1alpha1.JobExecution
		cached    *batchv1.Job
		job       *batchv1.Job // on the server
		first     []string     // The calls until the end is written.
		second    []string     // The calls after it.
		want      string
		jobs      []string
	}{
		{"a Job that runs goes", newExecution(ranWith(active), canceling), newJob(active), newJob(active),
			[]string{readJob, write}, []string{remove}, "Canceled", []string{}},
		{"one without a word in the status goes too", newExecution(canceling), newJob(), newJob(),
			[]string{readJob, write}, []string{remove}, "Canceled", []string{}},
		{"a Job with a TTL goes at once", newExecution(ranWith(active), canceling), newJob(active, withTTL(60)), newJob(active, withTTL(60)),
			[]string{readJob, write}, []string{remove}, "Canceled", []string{}},
		{"a suspended Job does not start", newExecution(ranWith(suspended), canceling), newJob(suspended), newJob(suspended),
			[]string{readJob, write}, []string{remove}, "Canceled", []string{}},
		{"what never had a Job gets none", newExecution(canceling), nil, nil,
			[]string{readJob, write}, nil, "Canceled", []string{}},
		{"what was created so gets none", newExecution(func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Canceled = true }), nil, nil,
			[]string{readJob, write}, nil, "Canceled", []string{}},
		{"a Job that the cache does not show goes when it does", newExecution(canceling), nil, newJob(active),
			[]string{readJob, write}, []string{remove}, "Canceled", []string{}},
		{"a Job that lost its label goes", newExecution(ranWith(active), canceling), nil, newJob(active, unlabelled),
			[]string{"get JobExecution", readJob, "patch Job", readJob, write}, []string{remove}, "Canceled", []string{}},
		{"a Job that was deleted before is no failure of its own", newExecution(ranWith(active), canceling), newJob(active), nil,
			[]string{readJob, write}, nil, "Canceled", []string{}},
		{"another Job of its name is left alone", newExecution(ranWith(active), canceling), newJob(active), newJob(another),
			[]string{readJob, write}, nil, "Canceled", []string{"run"}},
		{"a Job that finished before keeps its outcome", newExecution(ranWith(active), canceling), newJob(complete), newJob(complete),
			[]string{readJob, write}, nil, "Succeeded", []string{"run"}},
		{"so does one that failed before", newExecution(ranWith(active), canceling), newJob(failed("BackoffLimitExceeded")), newJob(failed("BackoffLimitExceeded")),
			[]string{readJob, write}, nil, "BackoffLimitExceeded", []string{"run"}},
		{"and one that finished before, which the cache does not show", newExecution(ranWith(active), canceling), newJob(active), newJob(complete),
			[]string{readJob, write}, nil, "Succeeded", []string{"run"}},
		{"a success that is only announced is left to come", newExecution(ranWith(active), canceling), newJob(active), newJob(announced(batchv1.JobSuccessCriteriaMet)),
			[]string{readJob, write}, []string{readJob}, "Running", []string{"run"}},
		{"so is a failure", newExecution(ranWith(active), canceling), newJob(active), newJob(announced(batchv1.JobFailureTarget)),
			[]string{readJob, write}, []string{readJob}, "Running", []string{"run"}},
		{"what ended before it was canceled stays as it is, and says that it has seen the cancel",
			newExecution(ranWith(complete), canceling), newJob(complete), newJob(complete),
			[]string{write}, nil, "Succeeded", []string{"run"}},
		{"its template may be gone", newExecution(canceling, func(e *dispatcherv1alpha1.JobExecution) { e.Spec.JobTemplateName = "gone" }), nil, nil,
			[]string{readJob, write}, nil, "Canceled", []string{}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			pods := []client.Object{
				newPod(exited(0, "Completed", "", 30)),
				newPod(exited(1, "Error", "", 30), podNamed("run-y")),
			}
			server := append(pods, newTemplate(), test.execution)
			cache := append(slices.Clone(pods), newTemplate(), test.execution)
			if test.job != nil {
				server = append(server, test.job)
			}
			if test.cached != nil {
				cache = append(cache, test.cached)
			}
			c := newLaggingCluster(t, store(server...), store(cache...))
			for i, want := range [][]string{test.first, test.second, nil} {
				if i == 2 && test.want == "Running" {
					continue // It waits for the announced end, and is looked at again with each change only.
				}
				if diff := cmp.Diff(want, c.step()); diff != "" {
					t.Errorf("calls of step %d (-want +got):\n%s", i, diff)
				}
			}
			if got := c.summary().Reason; got != test.want {
				t.Errorf("reason = %s, want %s", got, test.want)
			}
			if got := c.execution(); got.Status.ObservedGeneration != got.Generation {
				t.Errorf("observedGeneration = %d, want %d", got.Status.ObservedGeneration, got.Generation)
			}
			if diff := cmp.Diff(test.jobs, c.jobs()); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			for _, deletion := range c.deletions {
				if ptr.Deref(deletion.PropagationPolicy, "") != metav1.DeletePropagationBackground ||
					ptr.Deref(deletion.Preconditions.UID, "") != "uid-of-run" {
					t.Errorf("deleted with %+v, want this very Job in the background", deletion)
				}
			}
		})
	}
}

// The record of a canceled execution tells what ran, when it ended and what to do next, in one event.
func TestCancelTellsWhatRan(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(canceling), newJob(active))
	c.clock.SetTime(at(41).Time)
	c.step()
	status := c.execution().Status
	const no = metav1.ConditionFalse
	want := brief{no, no, no, "Canceled", at(41), new(at(1)), new(at(41)), 40 * time.Second}
	if diff := cmp.Diff(want, briefOf(status)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(referenceTo(newJob()), status.Job); diff != "" {
		t.Errorf("status.job (-want +got):\n%s", diff)
	}
	if status.ObservedGeneration != 2 {
		t.Errorf("observedGeneration = %d, want 2", status.ObservedGeneration)
	}
	if got := c.events(); !slices.Equal(got, []string{"Normal Canceled"}) {
		t.Errorf("events = %q, want one", got)
	}
}

// The process that wrote the end may die before it deletes the Job, and its Job may be created by then for all it
// knows.
func TestCanceledJobIsDeletedLater(t *testing.T) {
	ended := newExecution(canceling)
	ended.Status = failedStatus(ended, nil, &terminalError{reason: dispatcherv1alpha1.ReasonCanceled}, at(5).Time)
	c := newCluster(t, newTemplate(), ended, newJob(active, withTTL(60)))
	if diff := cmp.Diff([]string{"delete Job"}, c.step()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if calls := c.step(); len(calls) > 0 {
		t.Errorf("calls = %q after the Job was deleted, want none", calls)
	}
}

// A cache that shows the execution as it was before it was canceled does not bring its Job to life, even when nothing
// else makes the controller look past it.
func TestCanceledBehindTheCache(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	c.reconciler.lease = leader.Alone(testTime.Add(time.Second - settledAfter))
	execution := c.execution()
	canceling(execution)
	if err := c.server.Update(t.Context(), execution); err != nil {
		t.Fatal(err)
	}
	c.stepUnseen()
	if got := c.summary().Reason; got != "Canceled" {
		t.Fatalf("reason = %s, want Canceled", got)
	}
	c.clock.SetTime(testTime.Add(2 * time.Second))
	if diff := cmp.Diff([]string{"get JobExecution"}, c.stepUnseen()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := c.jobs(); len(got) > 0 {
		t.Errorf("jobs = %q, want none", got)
	}
}

// A Job that somebody else's finalizer holds is deleted once.
func TestJobOfCanceledIsDeletedOnce(t *testing.T) {
	ended := newExecution(canceling)
	ended.Status = failedStatus(
		ended, newJob(active), &terminalError{reason: dispatcherv1alpha1.ReasonCanceled}, at(5).Time,
	)
	c := newCluster(t, ended, newJob(active, deleting, finalized))
	if calls := c.step(); len(calls) > 0 {
		t.Errorf("calls = %q, want none", calls)
	}
}

// An outcome is certain when a condition says so, and not when it says the opposite.
func TestOutcomeIsCertain(t *testing.T) {
	for _, condition := range []batchv1.JobConditionType{
		batchv1.JobSuccessCriteriaMet, batchv1.JobFailureTarget, batchv1.JobComplete, batchv1.JobFailed,
	} {
		for status, want := range map[corev1.ConditionStatus]bool{
			corev1.ConditionTrue: true, corev1.ConditionFalse: false, corev1.ConditionUnknown: false,
		} {
			job := newJob(active, func(job *batchv1.Job) {
				job.Status.Conditions = []batchv1.JobCondition{{Type: condition, Status: status}}
			})
			if got := isOutcomeCertain(job); got != want {
				t.Errorf("%s is %s: certain = %v, want %v", condition, status, got, want)
			}
		}
	}
	if isOutcomeCertain(newJob(active, suspended)) {
		t.Error("the outcome of a suspended Job is certain")
	}
}
