package controller

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions/status,verbs=patch

// writeStatus stores the status if it changed, and then tells the world. The optimistic lock lets one of several writers
// through, so that an end is counted and announced once.
func (r *reconciler) writeStatus(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, status *dispatcherv1alpha1.JobExecutionStatus) error {
	if equality.Semantic.DeepEqual(execution.Status, *status) {
		return nil
	}
	if _, err := r.patchStatus(ctx, execution, status); err != nil {
		return err
	}
	if isFinal(status.Conditions) {
		observeFinished(execution, status)
	}
	r.announce(execution, status)
	return nil
}

// patchStatus stores the status, if the execution is still as it was read, and returns what was stored, without the spec.
func (r *reconciler) patchStatus(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, status *dispatcherv1alpha1.JobExecutionStatus) (*dispatcherv1alpha1.JobExecution, error) {
	if replaced, ok := r.replaced.Get(execution.UID); ok && replaced == execution.ResourceVersion {
		// The API server would refuse this. The event of our own write is on its way.
		return nil, fmt.Errorf("%w: its status was written meanwhile", errOutdated)
	}
	// The patch is computed from the JSON of both sides: leave out the payload, which may be large.
	before := &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       execution.Namespace,
			Name:            execution.Name,
			ResourceVersion: execution.ResourceVersion,
		},
		Status: execution.Status,
	}
	after := before.DeepCopy()
	after.Status = *status
	if err := r.lease.held(); err != nil {
		return nil, fmt.Errorf("writing the status: %w", err)
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, after, patch); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("%w: %w", errOutdated, err)
		}
		return nil, fmt.Errorf("writing the status: %w", outdated(err))
	}
	if after.ResourceVersion != execution.ResourceVersion {
		r.replaced.Add(execution.UID, execution.ResourceVersion)
	}
	return after, nil
}

// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// announce emits the events of a status that was written just now: one at the end, and one
// when the Job or its pods begin to be held up.
func (r *reconciler) announce(execution *dispatcherv1alpha1.JobExecution, status *dispatcherv1alpha1.JobExecutionStatus) {
	before, now := summaryOf(execution.Status.Conditions), summaryOf(status.Conditions)
	var eventType, action string
	switch {
	case now.Status == metav1.ConditionTrue, now.Reason == dispatcherv1alpha1.ReasonCanceled: // as somebody wished
		eventType, action = corev1.EventTypeNormal, "Finish"
	case now.Status == metav1.ConditionFalse:
		eventType, action = corev1.EventTypeWarning, "Finish"
	case now.Reason == dispatcherv1alpha1.ReasonJobForbidden && before.Reason != now.Reason:
		eventType, action = corev1.EventTypeWarning, "CreateJob"
	case isHindrance(now.Reason) && before.Reason != now.Reason:
		eventType, action = corev1.EventTypeWarning, "StartPods"
	default:
		return
	}
	r.recorder.Eventf(execution, relatedJob(execution, status), eventType, now.Reason, action, "%s", now.Message)
}

// relatedJob returns the Job that an event is also about, or nil.
func relatedJob(execution *dispatcherv1alpha1.JobExecution, status *dispatcherv1alpha1.JobExecutionStatus) runtime.Object {
	if status.Job == nil {
		return nil
	}
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: status.Job.APIVersion, Kind: status.Job.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: execution.Namespace, Name: status.Job.Name, UID: status.Job.UID},
	}
}
