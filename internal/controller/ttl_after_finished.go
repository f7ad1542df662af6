package controller

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// afterFinished cleans up. An execution with a TTL goes when that has run out. One without goes after its finished Job,
// by the Job's own TTL or by hand, so that nothing piles up. One that ended without a Job, or whose Job was deleted
// too early, has nothing to go after: it stays as the only record of what happened. So does one that was canceled, whose
// Job goes at once.
func (r *reconciler) afterFinished(ctx context.Context, seen observation) (ctrl.Result, error) {
	execution := seen.execution
	if seen.job != nil {
		// The outcome is recorded: the cache shows it.
		if err := r.release(ctx, seen.job); err != nil {
			return ctrl.Result{}, err
		}
		// Whoever recorded that it was canceled may not have come to this.
		if isCanceled(execution) {
			if err := r.deleteJob(ctx, seen.job); err != nil {
				return ctrl.Result{}, err
			}
		}
	}
	if ttl := execution.Spec.TTLSecondsAfterFinished; ttl != nil {
		expiry := finishedAt(execution).Add(time.Duration(*ttl) * time.Second)
		if left := expiry.Sub(r.clock.Now()); left > 0 {
			return ctrl.Result{RequeueAfter: left}, nil
		}
		return ctrl.Result{}, r.deleteExecution(ctx, execution)
	}
	if seen.job != nil || !goesWithJob(execution) {
		return ctrl.Result{}, nil
	}
	job, err := r.liveJob(ctx, execution, execution.Status.Job)
	if err != nil || job != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.deleteExecution(ctx, execution)
}

// goesWithJob says whether the execution's outcome is its Job's.
func goesWithJob(execution *dispatcherv1alpha1.JobExecution) bool {
	return execution.Status.Job != nil && !isCanceled(execution) &&
		summaryOf(execution.Status.Conditions).Reason != dispatcherv1alpha1.ReasonJobDeleted
}

func finishedAt(execution *dispatcherv1alpha1.JobExecution) time.Time {
	return ptr.Deref(execution.Status.CompletionTime, summaryOf(execution.Status.Conditions).LastTransitionTime).Time
}

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=delete

// deleteExecution deletes this very execution, and leaves its Job and pods to the garbage collector.
func (r *reconciler) deleteExecution(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) error {
	err := r.client.Delete(ctx, execution,
		client.Preconditions{UID: &execution.UID},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err): // Another execution has its name, or none.
		return nil
	case err != nil:
		return fmt.Errorf("deleting the finished execution: %w", err)
	}
	return nil
}
