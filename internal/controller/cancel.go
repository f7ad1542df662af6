package controller

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// canceledJob returns the Job of an execution that shall stop, and the failure to end it with. There is no failure where
// the Job came first: its outcome, whether it stands already or is only announced, stays the execution's. The cache is
// not asked, since neither an outcome nor a Job that it does not show yet would come back.
func (r *reconciler) canceledJob(ctx context.Context, seen observation) (*batchv1.Job, error) {
	job, err := r.currentJob(ctx, seen)
	switch {
	case err != nil:
		return nil, err
	case job != nil && isDecided(job):
		return job, nil
	}
	// From now on this process looks past the cache, which may still show an execution that was not canceled.
	reference := seen.execution.Status.Job
	if job != nil {
		reference = referenceTo(job)
	}
	r.started.Add(seen.execution.UID, reference)
	return job, canceled(seen.execution)
}

// currentJob reads the Job of the execution past the cache, and returns nil if there is none.
func (r *reconciler) currentJob(ctx context.Context, seen observation) (*batchv1.Job, error) {
	known := r.knownJob(seen.execution)
	if seen.job != nil {
		known = referenceTo(seen.job)
	}
	if known == nil {
		return r.findJob(ctx, seen.execution, nil)
	}
	return r.liveJob(ctx, seen.execution, known)
}

// isDecided says whether the outcome of the Job cannot change any more.
func isDecided(job *batchv1.Job) bool {
	for _, condition := range job.Status.Conditions {
		announced := condition.Type == batchv1.JobSuccessCriteriaMet || condition.Type == batchv1.JobFailureTarget
		if announced && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return endOf(job) != nil
}

func canceled(execution *dispatcherv1alpha1.JobExecution) error {
	return &failure{
		reason: dispatcherv1alpha1.ReasonCanceled,
		message: fmt.Sprintf("canceled by spec.canceled: its Job and pods are removed, if there were any; to run JobTemplate %s again, create another JobExecution",
			execution.Spec.JobTemplateName),
	}
}

func isCanceled(execution *dispatcherv1alpha1.JobExecution) bool {
	return summaryOf(execution.Status.Conditions).Reason == dispatcherv1alpha1.ReasonCanceled
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=delete

// deleteJob deletes this very Job, and leaves its pods to the garbage collector.
func (r *reconciler) deleteJob(ctx context.Context, job *batchv1.Job) error {
	if !job.DeletionTimestamp.IsZero() {
		return nil
	}
	err := r.client.Delete(ctx, job,
		client.Preconditions{UID: &job.UID},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err): // Another Job has its name, or none.
		return nil
	case err != nil:
		return fmt.Errorf("deleting Job %s of the canceled execution: %w", job.Name, err)
	}
	return nil
}
