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

// deriveStatus returns the status that follows from the Job and its pods. It is pure and reads no clock: all times are
// those of the Job and the pods, so that every process derives the same status at any time.
func deriveStatus(
	execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, pods podSummary,
) dispatcherv1alpha1.JobExecutionStatus {
	status := statusWithJob(execution, job)
	status.PodStartTime = podStartTime(execution, job, pods)
	finished := finishedCondition(job)
	switch {
	case finished != nil && finished.Type == batchv1.JobComplete:
		status.Result = pods.result
		at := ptr.Deref(job.Status.CompletionTime, finished.LastTransitionTime)
		setSucceeded(&status, fmt.Sprintf("Job %s completed", job.Name), at)
	case finished != nil:
		status.Result = pods.result
		message := jobFailedMessage(job, finished)
		setFailed(&status, jobFailureReason(finished.Reason), message, finished.LastTransitionTime)
	case !job.DeletionTimestamp.IsZero():
		message := jobDeletedMessage(execution, job.Name)
		setFailed(&status, dispatcherv1alpha1.ReasonJobDeleted, message, *job.DeletionTimestamp)
	case ptr.Deref(job.Spec.Suspend, false):
		message := fmt.Sprintf("Job %s is suspended; it starts when its spec.suspend is set to false", job.Name)
		setWaiting(&status, dispatcherv1alpha1.ReasonSuspended, message, job.CreationTimestamp)
	case pods.blocker != nil:
		setWaiting(&status, pods.blocker.reason, pods.blocker.message(execution, job), pods.blocker.since)
	case startsNoPods(job) && !pods.active && job.Status.Active == 0:
		message := fmt.Sprintf("Job %s has spec.parallelism 0 and no pods; it starts when that is raised", job.Name)
		setWaiting(&status, dispatcherv1alpha1.ReasonWaiting, message, job.CreationTimestamp)
	case podsBlocked(execution) && (!pods.active || job.Status.Active == 0):
		// The blocked pod was removed, by a deadline or by hand. The Job does not say yet what follows.
	case pods.unexplained != nil && isPodBlockedByEvents(execution):
		// The events of the pod, or of the one before it, are read again later.
	case job.Status.Active > 0 && isAwaitingStart(&status, job):
		message := fmt.Sprintf("no pod of Job %s has started yet", job.Name)
		setWaiting(&status, dispatcherv1alpha1.ReasonWaiting, message, job.CreationTimestamp)
	case job.Status.Active > 0 || isRunning(execution):
		at := ptr.Deref(job.Status.StartTime, job.CreationTimestamp)
		if podsBlocked(execution) && at.Before(&pods.startedAt) {
			at = pods.startedAt
		}
		setRunning(&status, fmt.Sprintf("Job %s is running", job.Name), at)
	case isManagedByOther(job):
		message := fmt.Sprintf("Job %s has no pod yet: its spec.managedBy is %q, and that controller has created none",
			job.Name, *job.Spec.ManagedBy)
		setWaiting(&status, dispatcherv1alpha1.ReasonWaiting, message, job.CreationTimestamp)
	default:
		message := fmt.Sprintf("Job %s has no pod yet", job.Name)
		setWaiting(&status, dispatcherv1alpha1.ReasonWaiting, message, job.CreationTimestamp)
	}
	return status
}

// statusWithJob copies the current status and adds what does not depend on the state of the Job.
func statusWithJob(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) dispatcherv1alpha1.JobExecutionStatus {
	status := copyStatus(execution)
	status.Job = referenceTo(job)
	if template := templateReferenceOf(job); template != nil {
		status.JobTemplate = template
	}
	status.StartTime = job.Status.StartTime.DeepCopy()
	return status
}

// failedStatus is the status after a terminal error. The Job is nil where there is none.
func failedStatus(
	execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, terminal *terminalError, now time.Time,
) dispatcherv1alpha1.JobExecutionStatus {
	status := copyStatus(execution)
	if job != nil {
		status = statusWithJob(execution, job)
	}
	setFailed(&status, terminal.reason, terminal.message, metav1.NewTime(now.Truncate(time.Second)))
	return status
}

// waitingStatus is the status after a retryable error: the Job cannot be created now.
func waitingStatus(
	execution *dispatcherv1alpha1.JobExecution, retryable *retryableError, now time.Time,
) dispatcherv1alpha1.JobExecutionStatus {
	status := copyStatus(execution)
	setWaiting(&status, retryable.reason, retryable.message, metav1.NewTime(now.Truncate(time.Second)))
	return status
}

// copyStatus copies the current status, to be changed.
func copyStatus(execution *dispatcherv1alpha1.JobExecution) dispatcherv1alpha1.JobExecutionStatus {
	copied := &dispatcherv1alpha1.JobExecution{ObjectMeta: execution.ObjectMeta, Status: *execution.Status.DeepCopy()}
	copied.SetMissingTimes()
	copied.Status.ObservedGeneration = execution.Generation
	return copied.Status
}

func setWaiting(status *dispatcherv1alpha1.JobExecutionStatus, reason, message string, at metav1.Time) {
	setUnfinished(status, dispatcherv1alpha1.ConditionWaiting, reason, message, at)
}

func setRunning(status *dispatcherv1alpha1.JobExecutionStatus, message string, at metav1.Time) {
	setUnfinished(status, dispatcherv1alpha1.ConditionRunning, dispatcherv1alpha1.ReasonRunning, message, at)
}

// setUnfinished sets the conditions of an execution that has not finished: active is the one of Waiting and Running
// that is True.
func setUnfinished(status *dispatcherv1alpha1.JobExecutionStatus, active, reason, message string, at metav1.Time) {
	for _, condition := range []string{dispatcherv1alpha1.ConditionWaiting, dispatcherv1alpha1.ConditionRunning} {
		if condition == active {
			setCondition(status, condition, metav1.ConditionTrue, reason, message, at)
		} else {
			setCondition(status, condition, metav1.ConditionFalse, reason, "", at)
		}
	}
	setCondition(status, dispatcherv1alpha1.ConditionSucceeded, metav1.ConditionUnknown, reason, message, at)
	setCondition(status, dispatcherv1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message, at)
}

func setSucceeded(status *dispatcherv1alpha1.JobExecutionStatus, message string, at metav1.Time) {
	setFinished(status, metav1.ConditionTrue, dispatcherv1alpha1.ReasonSucceeded, message, at)
}

func setFailed(status *dispatcherv1alpha1.JobExecutionStatus, reason, message string, at metav1.Time) {
	setFinished(status, metav1.ConditionFalse, reason, message, at)
}

// setFinished sets the conditions and times of a finished execution.
func setFinished(
	status *dispatcherv1alpha1.JobExecutionStatus,
	succeeded metav1.ConditionStatus,
	reason, message string,
	at metav1.Time,
) {
	setCondition(status, dispatcherv1alpha1.ConditionWaiting, metav1.ConditionFalse, reason, "", at)
	setCondition(status, dispatcherv1alpha1.ConditionRunning, metav1.ConditionFalse, reason, "", at)
	setCondition(status, dispatcherv1alpha1.ConditionSucceeded, succeeded, reason, message, at)
	meta.RemoveStatusCondition(&status.Conditions, dispatcherv1alpha1.ConditionReconciling)
	if succeeded == metav1.ConditionFalse {
		setCondition(status, dispatcherv1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message, at)
	}
	status.CompletionTime = &at
	if status.StartTime != nil {
		status.Duration = &metav1.Duration{Duration: max(0, at.Sub(status.StartTime.Time))}
	}
}

func setCondition(
	status *dispatcherv1alpha1.JobExecutionStatus,
	conditionType string,
	value metav1.ConditionStatus,
	reason, message string,
	at metav1.Time,
) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type:               conditionType,
		Status:             value,
		ObservedGeneration: status.ObservedGeneration,
		LastTransitionTime: at,
		Reason:             reason,
		Message:            message,
	})
}

// finishedCondition returns the Complete or Failed condition of a finished Job, or nil. SuccessCriteriaMet and
// FailureTarget come earlier, while the pods are still being stopped.
func finishedCondition(job *batchv1.Job) *batchv1.JobCondition {
	for i, condition := range job.Status.Conditions {
		finishes := condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed
		if finishes && condition.Status == corev1.ConditionTrue {
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

// jobFailureReason returns the Job's own reason if it is one of the batch API's. Others are replaced: users and metrics
// rely on a small set of reasons, and other controllers may write anything there.
func jobFailureReason(reason string) string {
	if slices.Contains(jobFailureReasons, reason) {
		return reason
	}
	return dispatcherv1alpha1.ReasonJobFailed
}

func jobFailedMessage(job *batchv1.Job, failed *batchv1.JobCondition) string {
	detail := failed.Message
	if detail == "" {
		detail = "it gives no message"
	}
	return fmt.Sprintf("Job %s failed: %s; see `kubectl -n %s logs job/%s` and `kubectl -n %s describe job %s`",
		job.Name, truncated(detail), job.Namespace, job.Name, job.Namespace, job.Name)
}

func jobDeletedMessage(execution *dispatcherv1alpha1.JobExecution, job string) string {
	return fmt.Sprintf(
		"Job %s was deleted before it finished; to run JobTemplate %s again, create another JobExecution",
		job,
		execution.Spec.JobTemplateName,
	)
}

// isRunning says whether the execution is Running. It stays so while its Job has no active pod between two retries, and
// before the Job counts its last pods. Otherwise it would flap with each retry.
func isRunning(execution *dispatcherv1alpha1.JobExecution) bool {
	return meta.IsStatusConditionTrue(execution.Status.Conditions, dispatcherv1alpha1.ConditionRunning)
}

func referenceTo(job *batchv1.Job) *dispatcherv1alpha1.JobReference {
	return &dispatcherv1alpha1.JobReference{
		APIVersion: batchv1.SchemeGroupVersion.String(),
		Kind:       "Job",
		Name:       job.Name,
		UID:        job.UID,
	}
}

// templateReferenceOf returns the state of the template that the Job was rendered from, or nil if its annotations are
// missing.
func templateReferenceOf(job *batchv1.Job) *dispatcherv1alpha1.JobTemplateReference {
	uid := job.Annotations[dispatcherv1alpha1.AnnotationJobTemplateUID]
	generation, err := strconv.ParseInt(job.Annotations[dispatcherv1alpha1.AnnotationJobTemplateGeneration], 10, 64)
	if uid == "" || err != nil {
		return nil
	}
	return &dispatcherv1alpha1.JobTemplateReference{UID: types.UID(uid), Generation: generation}
}
