package controller

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// deriveStatus says what the Job and its pods mean for the execution. It is pure, and reads no clock: every time in the
// result is one of theirs, so that any process at any time comes to the same status.
func deriveStatus(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, pods report) dispatcherv1alpha1.JobExecutionStatus {
	status := statusOf(execution, job)
	end := endOf(job)
	switch {
	case end != nil && end.Type == batchv1.JobComplete:
		at := ptr.Deref(job.Status.CompletionTime, end.LastTransitionTime)
		status.Result = pods.result
		conclude(&status, metav1.ConditionTrue, dispatcherv1alpha1.ReasonSucceeded, fmt.Sprintf("Job %s completed", job.Name), at)
	case end != nil:
		status.Result = pods.result
		conclude(&status, metav1.ConditionFalse, failureReason(end.Reason), failureMessage(job, end), end.LastTransitionTime)
	case !job.DeletionTimestamp.IsZero():
		message := jobDeletedMessage(execution, job.Name)
		conclude(&status, metav1.ConditionFalse, dispatcherv1alpha1.ReasonJobDeleted, message, *job.DeletionTimestamp)
	case ptr.Deref(job.Spec.Suspend, false):
		message := fmt.Sprintf("Job %s is suspended; it starts when its spec.suspend is set to false", job.Name)
		proceed(&status, dispatcherv1alpha1.ConditionWaiting, dispatcherv1alpha1.ReasonSuspended, message, job.CreationTimestamp)
	case pods.hindrance != nil:
		proceed(&status, dispatcherv1alpha1.ConditionWaiting, pods.hindrance.reason, pods.hindrance.message(execution, job), pods.hindrance.since)
	case isHeldUp(execution) && !pods.live:
		// The pod that was held up is gone, by a deadline or by hand, and what comes after is not known yet.
	case job.Status.Active > 0 || isRunning(execution):
		at := ptr.Deref(job.Status.StartTime, job.CreationTimestamp)
		if isHeldUp(execution) && at.Before(&pods.startedAt) {
			at = pods.startedAt
		}
		proceed(&status, dispatcherv1alpha1.ConditionRunning, dispatcherv1alpha1.ReasonRunning, fmt.Sprintf("Job %s is running", job.Name), at)
	default:
		message := fmt.Sprintf("Job %s has no pod yet", job.Name)
		proceed(&status, dispatcherv1alpha1.ConditionWaiting, dispatcherv1alpha1.ReasonWaiting, message, job.CreationTimestamp)
	}
	return status
}

// statusOf copies the present status and adds what the Job says of itself.
func statusOf(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) dispatcherv1alpha1.JobExecutionStatus {
	status := newStatus(execution)
	status.Job = referenceTo(job)
	if template := templateOf(job); template != nil {
		status.JobTemplate = template
	}
	status.StartTime = job.Status.StartTime.DeepCopy()
	return status
}

// failedStatus is the status of an execution that ended before its Job did. The Job is nil where there is none.
func failedStatus(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, final *failure, now time.Time) dispatcherv1alpha1.JobExecutionStatus {
	status := newStatus(execution)
	if job != nil {
		status = statusOf(execution, job)
	}
	conclude(&status, metav1.ConditionFalse, final.reason, final.message, metav1.NewTime(now.Truncate(time.Second)))
	return status
}

// waitingStatus is the status of an execution whose Job cannot be created now.
func waitingStatus(execution *dispatcherv1alpha1.JobExecution, waits *obstacle, now time.Time) dispatcherv1alpha1.JobExecutionStatus {
	status := newStatus(execution)
	proceed(&status, dispatcherv1alpha1.ConditionWaiting, waits.reason, waits.message, metav1.NewTime(now.Truncate(time.Second)))
	return status
}

// newStatus copies the present status, to be changed. The Succeeded condition that the API server filled in at creation
// bears the beginning of time; it is true since the execution was created.
func newStatus(execution *dispatcherv1alpha1.JobExecution) dispatcherv1alpha1.JobExecutionStatus {
	status := *execution.Status.DeepCopy()
	status.ObservedGeneration = execution.Generation
	for i := range status.Conditions {
		if status.Conditions[i].LastTransitionTime.Unix() <= 0 {
			status.Conditions[i].LastTransitionTime = execution.CreationTimestamp
		}
	}
	return status
}

// proceed sets the conditions of an execution that goes on: active is the one of Waiting and Running that is True.
func proceed(status *dispatcherv1alpha1.JobExecutionStatus, active, reason, message string, at metav1.Time) {
	for _, condition := range []string{dispatcherv1alpha1.ConditionWaiting, dispatcherv1alpha1.ConditionRunning} {
		if condition == active {
			setCondition(status, condition, metav1.ConditionTrue, reason, message, at)
		} else {
			setCondition(status, condition, metav1.ConditionFalse, reason, "", at)
		}
	}
	setCondition(status, dispatcherv1alpha1.ConditionSucceeded, metav1.ConditionUnknown, reason, message, at)
}

// conclude sets what is said of an execution at its end.
func conclude(status *dispatcherv1alpha1.JobExecutionStatus, succeeded metav1.ConditionStatus, reason, message string, at metav1.Time) {
	setCondition(status, dispatcherv1alpha1.ConditionWaiting, metav1.ConditionFalse, reason, "", at)
	setCondition(status, dispatcherv1alpha1.ConditionRunning, metav1.ConditionFalse, reason, "", at)
	setCondition(status, dispatcherv1alpha1.ConditionSucceeded, succeeded, reason, message, at)
	status.CompletionTime = &at
	if status.StartTime != nil {
		status.Duration = &metav1.Duration{Duration: max(0, at.Sub(status.StartTime.Time))}
	}
}

func setCondition(status *dispatcherv1alpha1.JobExecutionStatus, conditionType string, value metav1.ConditionStatus, reason, message string, at metav1.Time) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type:               conditionType,
		Status:             value,
		ObservedGeneration: status.ObservedGeneration,
		LastTransitionTime: at,
		Reason:             reason,
		Message:            message,
	})
}

// endOf returns the condition that ended the Job, or nil. SuccessCriteriaMet and FailureTarget only announce an end: the
// Job's pods are still being stopped.
func endOf(job *batchv1.Job) *batchv1.JobCondition {
	for i, condition := range job.Status.Conditions {
		ended := condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed
		if ended && condition.Status == corev1.ConditionTrue {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// jobFailureReasons are the reasons that a Job gives for its Failed condition.
var jobFailureReasons = []string{
	batchv1.JobReasonBackoffLimitExceeded,
	batchv1.JobReasonDeadlineExceeded,
	batchv1.JobReasonFailedIndexes,
	batchv1.JobReasonMaxFailedIndexesExceeded,
	batchv1.JobReasonPodFailurePolicy,
}

// failureReason passes on the Job's own reason where it is one of the batch API's. Another writer of the Job's status
// may put anything there, and reasons are a small set that users and metrics rely on.
func failureReason(reason string) string {
	if slices.Contains(jobFailureReasons, reason) {
		return reason
	}
	return dispatcherv1alpha1.ReasonJobFailed
}

func failureMessage(job *batchv1.Job, end *batchv1.JobCondition) string {
	detail := end.Message
	if detail == "" {
		detail = "it gives no message"
	}
	return fmt.Sprintf("Job %s failed: %s; see `kubectl -n %s logs job/%s` and `kubectl -n %s describe job %s`",
		job.Name, bounded(detail), job.Namespace, job.Name, job.Namespace, job.Name)
}

func jobDeletedMessage(execution *dispatcherv1alpha1.JobExecution, job string) string {
	return fmt.Sprintf("Job %s was deleted before it finished; to run JobTemplate %s again, create another JobExecution", job, execution.Spec.JobTemplateName)
}

// isFinished says whether the execution has come to its end. Nothing starts it again.
func isFinished(execution *dispatcherv1alpha1.JobExecution) bool {
	return isFinal(execution.Status.Conditions)
}

func isFinal(conditions []metav1.Condition) bool {
	value := summaryOf(conditions).Status
	return value == metav1.ConditionTrue || value == metav1.ConditionFalse
}

// isRunning keeps an execution Running while its Job has no pod between two tries, or before it counts the last ones: it
// has started, and would otherwise flap with every try.
func isRunning(execution *dispatcherv1alpha1.JobExecution) bool {
	return meta.IsStatusConditionTrue(execution.Status.Conditions, dispatcherv1alpha1.ConditionRunning)
}

// summaryOf returns the Succeeded condition, or an empty one.
func summaryOf(conditions []metav1.Condition) metav1.Condition {
	return ptr.Deref(meta.FindStatusCondition(conditions, dispatcherv1alpha1.ConditionSucceeded), metav1.Condition{})
}

func referenceTo(job *batchv1.Job) *dispatcherv1alpha1.JobReference {
	return &dispatcherv1alpha1.JobReference{
		APIVersion: batchv1.SchemeGroupVersion.String(),
		Kind:       "Job",
		Name:       job.Name,
		UID:        job.UID,
	}
}

// templateOf reads which template the Job was rendered from, or nil where its annotations do not tell.
func templateOf(job *batchv1.Job) *dispatcherv1alpha1.JobTemplateReference {
	uid := job.Annotations[dispatcherv1alpha1.AnnotationJobTemplateUID]
	generation, err := strconv.ParseInt(job.Annotations[dispatcherv1alpha1.AnnotationJobTemplateGeneration], 10, 64)
	if uid == "" || err != nil {
		return nil
	}
	return &dispatcherv1alpha1.JobTemplateReference{UID: types.UID(uid), Generation: generation}
}
