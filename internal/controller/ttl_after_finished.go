package controller

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// cleanUp handles a finished execution. An execution with a TTL is deleted when that has expired. One without a TTL is
// deleted after its finished Job, whose own TTL or a user deletes it. An execution that has no Job, or whose Job was
// deleted before it finished, or that was canceled or did not start in time, is kept: it is the only record.
func (r *reconciler) cleanUp(ctx context.Context, seen observation) (ctrl.Result, error) {
	execution := seen.execution
	if execution.Status.ObservedGeneration != execution.Generation {
		return ctrl.Result{}, r.observeGeneration(ctx, seen)
	}
	left, hasTTL := r.leftOfTTL(execution)
	expired := hasTTL && left <= 0
	var err error
	switch {
	case seen.job != nil && isStopped(execution):
		// The process that stored the status may have ended before it deleted the Job.
		err = r.deleteJob(ctx, seen.job)
	case seen.job != nil && !expired: // Afterwards the Job goes with the execution, also if a policy forbids to change it.
		err = r.restoreJobTTL(ctx, seen.job)
	}
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case expired:
		return ctrl.Result{}, r.deleteExecution(ctx, execution)
	case hasTTL:
		return ctrl.Result{RequeueAfter: left}, nil
	}
	if seen.job != nil || !expiresWithJob(execution) {
		return ctrl.Result{}, nil
	}
	job, err := r.readJob(ctx, execution, execution.Status.Job)
	if err != nil || job != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.deleteExecution(ctx, execution)
}

// observeGeneration stores that a change of a finished execution was seen: spec.canceled, which has no effect any more.
// Tools that wait would otherwise wait for the status to follow. The watch event of this write continues the cleanup.
func (r *reconciler) observeGeneration(ctx context.Context, seen observation) error {
	status := copyStatus(seen.execution)
	for i := range status.Conditions {
		status.Conditions[i].ObservedGeneration = status.ObservedGeneration
	}
	_, err := r.patchStatus(ctx, seen, &status)
	return err
}

// leftOfTTL returns for how long a finished execution is kept, if it has a TTL.
func (r *reconciler) leftOfTTL(execution *dispatcherv1alpha1.JobExecution) (left time.Duration, hasTTL bool) {
	ttl := execution.Spec.TTLSecondsAfterFinished
	if ttl == nil {
		return 0, false
	}
	return finishedAt(execution).Add(time.Duration(*ttl) * time.Second).Sub(r.clock.Now()), true
}

// expiresWithJob says whether the execution took its outcome from a finished Job, and so is deleted after that Job.
func expiresWithJob(execution *dispatcherv1alpha1.JobExecution) bool {
	return execution.Status.Job != nil && !isStopped(execution) &&
		execution.Summary().Reason != dispatcherv1alpha1.ReasonJobDeleted
}

func finishedAt(execution *dispatcherv1alpha1.JobExecution) time.Time {
	return ptr.Deref(execution.Status.CompletionTime, execution.Summary().LastTransitionTime).Time
}

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=delete

// deleteExecution deletes the execution with exactly this UID. The garbage collector deletes its Job and pods. The
// error is errOutdated if the execution is gone already. The cache still shows it, so it is looked at again.
func (r *reconciler) deleteExecution(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) error {
	err := r.client.Delete(ctx, execution,
		client.Preconditions{UID: &execution.UID},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil {
		return executionNamed(execution.Name).writeFailed("deleting the finished execution", err)
	}
	return nil
}
