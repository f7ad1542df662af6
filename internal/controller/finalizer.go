package controller

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// releaseOrphanedJobs lets go of Jobs whose execution is gone or on its way, so that none stays Terminating for ever.
// The cache may know a Job and not yet its execution, and a Job that is let go too early may be removed before its
// outcome is recorded: so this asks the API server first.
func (r *reconciler) releaseOrphanedJobs(ctx context.Context, key types.NamespacedName, jobs []batchv1.Job) error {
	var held []*batchv1.Job
	for i := range jobs {
		if hasTrackingFinalizer(&jobs[i]) {
			held = append(held, &jobs[i])
		}
	}
	if len(held) == 0 {
		return nil
	}
	execution, err := getExecution(ctx, r.apiReader, key)
	if err != nil {
		return err
	}
	for _, job := range held {
		if execution != nil && execution.DeletionTimestamp.IsZero() && isJobOf(job, execution) {
			continue
		}
		// The label and the controller reference name the same execution, unless somebody changed one: then it is
		// looked at under both names, and the execution that controls it decides.
		if owner := metav1.GetControllerOf(job); owner != nil && isExecution(owner) && owner.Name != key.Name {
			continue
		}
		if err := r.release(ctx, job); err != nil {
			return err
		}
	}
	return nil
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=patch

// release takes the finalizer from a Job whose outcome is recorded, or of which nobody wants to know it any more.
func (r *reconciler) release(ctx context.Context, job *batchv1.Job) error {
	if !hasTrackingFinalizer(job) {
		return nil
	}
	released := job.DeepCopy()
	controllerutil.RemoveFinalizer(released, dispatcherv1alpha1.FinalizerJobTracking)
	// A merge patch replaces the whole list of finalizers: the lock keeps it from undoing what somebody else did to it.
	patch := client.MergeFromWithOptions(job, client.MergeFromWithOptimisticLock{})
	err := outdated(r.client.Patch(ctx, released, patch))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("releasing Job %s: %w", job.Name, err)
	}
	return nil
}

func hasTrackingFinalizer(job *batchv1.Job) bool {
	return controllerutil.ContainsFinalizer(job, dispatcherv1alpha1.FinalizerJobTracking)
}

// errOutdated says that an object changed after it was read. The change is on its way here.
var errOutdated = errors.New("the object has changed since it was read")

// outdated turns the conflict that a patch with an optimistic lock ends with into errOutdated.
func outdated(err error) error {
	if apierrors.IsConflict(err) {
		return fmt.Errorf("%w: %w", errOutdated, err)
	}
	return err
}
