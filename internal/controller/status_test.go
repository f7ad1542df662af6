package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// brief is a status without its conditions' texts.
type brief struct {
	Waiting, Running, Succeeded metav1.ConditionStatus
	Reason                      string
	Since                       metav1.Time // of Succeeded
	Start, Completion           *metav1.Time
	Duration                    time.Duration
}

func briefOf(status dispatcherv1alpha1.JobExecutionStatus) brief {
	b := brief{Start: status.StartTime, Completion: status.CompletionTime}
	for _, condition := range status.Conditions {
		switch condition.Type {
		case dispatcherv1alpha1.ConditionWaiting:
			b.Waiting = condition.Status
		case dispatcherv1alpha1.ConditionRunning:
			b.Running = condition.Status
		case dispatcherv1alpha1.ConditionSucceeded:
			b.Succeeded, b.Reason, b.Since = condition.Status, condition.Reason, condition.LastTransitionTime
		}
	}
	if status.Duration != nil {
		b.Duration = status.Duration.Duration
	}
	return b
}

func TestDeriveStatus(t *testing.T) {
	const yes, no, unknown = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
	condition := func(conditionType batchv1.JobConditionType) func(*batchv1.Job) {
		return func(job *batchv1.Job) {
			job.Status.Conditions = append(
				job.Status.Conditions,
				batchv1.JobCondition{Type: conditionType, Status: corev1.ConditionTrue, LastTransitionTime: at(9)},
			)
		}
	}
	was := func(changes ...func(*batchv1.Job)) func(*dispatcherv1alpha1.JobExecution) {
		return func(execution *dispatcherv1alpha1.JobExecution) {
			execution.Status = deriveStatus(execution, newJob(changes...), podSummary{})
		}
	}
	fresh := func(*dispatcherv1alpha1.JobExecution) {}

	for _, test := range []struct {
		reason    string
		execution func(*dispatcherv1alpha1.JobExecution)
		job       []func(*batchv1.Job)
		want      brief
	}{
		{"a Job that nobody has looked at yet waits", fresh, nil,
			brief{yes, no, unknown, "Waiting", at(0), nil, nil, 0}},
		{"a pod that is pending counts as active", fresh, []func(*batchv1.Job){active},
			brief{no, yes, unknown, "Running", at(0), new(at(1)), nil, 0}},
		{"between two tries of its pod a Job goes on running", was(active),
			[]func(*batchv1.Job){active, func(job *batchv1.Job) { job.Status.Active = 0 }},
			brief{no, yes, unknown, "Running", at(0), new(at(1)), nil, 0}},
		{"a suspended Job waits, whatever it did before", was(active), []func(*batchv1.Job){suspended},
			brief{yes, no, unknown, "Suspended", at(0), nil, nil, 0}},
		{"a resumed Job without pods is suspended no more", was(suspended), nil,
			brief{yes, no, unknown, "Waiting", at(0), nil, nil, 0}},
		{"the end of a Job that was not seen running", fresh, []func(*batchv1.Job){complete},
			brief{no, no, yes, "Succeeded", at(31), new(at(1)), new(at(31)), 30 * time.Second}},
		{"the end of a Job that was seen running", was(active), []func(*batchv1.Job){complete},
			brief{no, no, yes, "Succeeded", at(31), new(at(1)), new(at(31)), 30 * time.Second}},
		{"a Job that is complete without a completionTime ended with its condition", fresh,
			[]func(*batchv1.Job){complete, func(job *batchv1.Job) { job.Status.CompletionTime = nil }},
			brief{no, no, yes, "Succeeded", at(31), new(at(1)), new(at(31)), 30 * time.Second}},
		{"the Job's own reason is passed on", was(active),
			[]func(*batchv1.Job){failed(batchv1.JobReasonBackoffLimitExceeded)},
			brief{no, no, no, "BackoffLimitExceeded", at(31), new(at(1)), new(at(31)), 30 * time.Second}},
		{"a reason that is not the batch API's is not", was(active), []func(*batchv1.Job){failed("MyReason")},
			brief{no, no, no, "JobFailed", at(31), new(at(1)), new(at(31)), 30 * time.Second}},
		{"a Job without a reason failed nevertheless", was(active), []func(*batchv1.Job){failed("")},
			brief{no, no, no, "JobFailed", at(31), new(at(1)), new(at(31)), 30 * time.Second}},
		{"a Job that failed before it started took no time", fresh,
			[]func(*batchv1.Job){failed("DeadlineExceeded"), func(job *batchv1.Job) { job.Status.StartTime = nil }},
			brief{no, no, no, "DeadlineExceeded", at(31), nil, new(at(31)), 0}},
		{"clocks of two machines may disagree, durations are not negative", fresh,
			[]func(*batchv1.Job){complete, func(job *batchv1.Job) { job.Status.StartTime = new(at(40)) }},
			brief{no, no, yes, "Succeeded", at(31), new(at(40)), new(at(31)), 0}},
		{"criteria that are met only announce an end", fresh,
			[]func(*batchv1.Job){active, condition(batchv1.JobSuccessCriteriaMet)},
			brief{no, yes, unknown, "Running", at(0), new(at(1)), nil, 0}},
		{"a failure target only announces an end", fresh,
			[]func(*batchv1.Job){active, condition(batchv1.JobFailureTarget)},
			brief{no, yes, unknown, "Running", at(0), new(at(1)), nil, 0}},
		{"a Job that is being deleted does not finish", was(active), []func(*batchv1.Job){active, deleting},
			brief{no, no, no, "JobDeleted", at(20), new(at(1)), new(at(20)), 19 * time.Second}},
		{"a Job that finished before it was deleted has an outcome", was(active),
			[]func(*batchv1.Job){complete, deleting},
			brief{no, no, yes, "Succeeded", at(31), new(at(1)), new(at(31)), 30 * time.Second}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			execution, job := newExecution(test.execution), newJob(test.job...)
			before := execution.DeepCopy()
			got := deriveStatus(execution, job, podSummary{})
			if diff := cmp.Diff(test.want, briefOf(got)); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, execution); diff != "" {
				t.Errorf("deriveStatus changed the execution:\n%s", diff)
			}
			again := execution.DeepCopy()
			again.Status = got
			if diff := cmp.Diff(got, deriveStatus(again, job, podSummary{})); diff != "" {
				t.Errorf("the same Job gives another status the second time:\n%s", diff)
			}
		})
	}
}

// Reconciling and Stalled, which kstatus reads, follow from Succeeded at any time.
func TestConditionsForTools(t *testing.T) {
	const none = metav1.ConditionStatus("")
	terminal := &terminalError{reason: dispatcherv1alpha1.ReasonRenderFailed, message: "no"}
	stopped := &terminalError{reason: dispatcherv1alpha1.ReasonCanceled, message: "canceled"}
	retryable := &retryableError{reason: dispatcherv1alpha1.ReasonJobForbidden, message: "a quota"}
	derived := func(changes ...func(*batchv1.Job)) dispatcherv1alpha1.JobExecutionStatus {
		return deriveStatus(newExecution(), newJob(changes...), podSummary{})
	}
	for _, test := range []struct {
		reason               string
		status               dispatcherv1alpha1.JobExecutionStatus
		reconciling, stalled metav1.ConditionStatus
	}{
		{"fresh", newExecution().Status, metav1.ConditionTrue, none},
		{"refused for now", waitingStatus(newExecution(), retryable, testTime), metav1.ConditionTrue, none},
		{"waits", derived(), metav1.ConditionTrue, none},
		{"suspended", derived(suspended), metav1.ConditionTrue, none},
		{"runs", derived(active), metav1.ConditionTrue, none},
		{"succeeded", derived(complete), none, none},
		{"failed", derived(failed("BackoffLimitExceeded")), none, metav1.ConditionTrue},
		{"its Job was deleted", derived(active, deleting), none, metav1.ConditionTrue},
		{"canceled", failedStatus(newExecution(), newJob(active), stopped, testTime), none, metav1.ConditionTrue},
		{"without a Job", failedStatus(newExecution(), nil, terminal, testTime), none, metav1.ConditionTrue},
	} {
		got := map[string]metav1.Condition{}
		for _, condition := range test.status.Conditions {
			got[condition.Type] = condition
		}
		reconciling, stalled := got[dispatcherv1alpha1.ConditionReconciling], got[dispatcherv1alpha1.ConditionStalled]
		if reconciling.Status != test.reconciling || stalled.Status != test.stalled {
			t.Errorf("%s: Reconciling=%s Stalled=%s, want %s and %s",
				test.reason, reconciling.Status, stalled.Status, test.reconciling, test.stalled)
		}
		summary := test.status.Summary()
		for _, condition := range []metav1.Condition{reconciling, stalled} {
			if condition.Type != "" && (condition.Reason != summary.Reason || condition.Message != summary.Message) {
				t.Errorf("%s: %s has %s %q, want those of Succeeded", test.reason, condition.Type, condition.Reason,
					condition.Message)
			}
		}
	}
}

func TestDeriveStatusTellsWhatRan(t *testing.T) {
	status := deriveStatus(newExecution(), newJob(active), podSummary{})
	want := dispatcherv1alpha1.JobExecutionStatus{
		Job: &dispatcherv1alpha1.JobReference{
			APIVersion: "batch/v1",
			Kind:       "Job",
			Name:       "run",
			UID:        "uid-of-run",
		},
		JobTemplate:        &dispatcherv1alpha1.JobTemplateReference{UID: "uid-of-template", Generation: 1},
		StartTime:          new(at(1)),
		ObservedGeneration: 1,
	}
	for _, condition := range status.Conditions {
		if condition.ObservedGeneration != 1 {
			t.Errorf("%s.observedGeneration = %d, want 1", condition.Type, condition.ObservedGeneration)
		}
	}
	status.Conditions = nil
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}

	execution := newExecution()
	execution.Status.JobTemplate = want.JobTemplate
	stripped := newJob(func(job *batchv1.Job) { job.Annotations = nil })
	if diff := cmp.Diff(want.JobTemplate, deriveStatus(execution, stripped, podSummary{}).JobTemplate); diff != "" {
		t.Errorf("a Job that lost its annotations changed what ran (-want +got):\n%s", diff)
	}
}
