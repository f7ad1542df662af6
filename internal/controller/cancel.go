package controller

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// canceledJob returns the Job of a canceled execution, and the terminal error that finishes the execution. There is no
// error if the outcome of the Job is already certain: the execution then takes that. It reads past the cache, because a
// cancel must not override an outcome, nor miss a Job, that the cache does not show yet.
func (r *reconciler) canceledJob(ctx context.Context, seen observation) (*batchv1.Job, error) {
	job, err := r.readCurrentJob(ctx, seen)
	switch {
	case err != nil:
		return nil, err
	case job != nil && isOutcomeCertain(job):
		return job, nil
	}
	// From now on this process reads past the cache, which may still show the execution as it was before the cancel.
	reference := seen.execution.Status.Job
	if job != nil {
		reference = referenceTo(job)
	}
	r.startedJobs.add(keyOf(seen.execution), reference)
	return job, canceled(seen.execution)
}

// readCurrentJob reads the Job of the execution past the cache, and returns nil if there is none.
func (r *reconciler) readCurrentJob(ctx context.Context, seen observation) (*batchv1.Job, error) {
	known := r.knownJob(seen.execution)
	if seen.job != nil {
		known = referenceTo(seen.job)
	}
	if known == nil {
		return r.findJob(ctx, seen.execution, nil)
	}
	return r.readJob(ctx, seen.execution, known)
}

// isOutcomeCertain says whether the outcome of the Job can no longer change.
func isOutcomeCertain(job *batchv1.Job) bool {
	for _, condition := range job.Status.Conditions {
		decides := condition.Type == batchv1.JobSuccessCriteriaMet || condition.Type == batchv1.JobFailureTarget
		if decides && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return finishedCondition(job) != nil
}

func canceled(execution *dispatcherv1alpha1.JobExecution) error {
	return &terminalError{
		reason: dispatcherv1alpha1.ReasonCanceled,
		message: fmt.Sprintf(
			"canceled by spec.canceled; its Job and pods, if any, are deleted; to run JobTemplate %s "+
				"again, create another JobExecution",
			execution.Spec.JobTemplateName,
		),
	}
}

// isStopped says whether Dispatcher has ended the execution before its Job finished. The Job is deleted then.
func isStopped(execution *dispatcherv1alpha1.JobExecution) bool {
	return isCanceled(execution) || execution.Summary().Reason == dispatcherv1alpha1.ReasonStartDeadlineExceeded
}

func isCanceled(execution *dispatcherv1alpha1.JobExecution) bool {
	return execution.Summary().Reason == dispatcherv1alpha1.ReasonCanceled
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=delete

// deleteJob deletes the Job with exactly this UID. The garbage collector deletes its pods. The error is errOutdated if
// the Job is gone already. The cache still shows it, so it is looked at again.
func (r *reconciler) deleteJob(ctx context.Context, job *batchv1.Job) error {
	if !job.DeletionTimestamp.IsZero() {
		return nil
	}
	err := r.client.Delete(ctx, job,
		client.Preconditions{UID: &job.UID},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil {
		return jobNamed(job.Name).writeFailed("deleting Job "+job.Name+" of the stopped execution", err)
	}
	return nil
}
