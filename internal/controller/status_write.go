package controller

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions/status,verbs=patch

// writeStatus stores the status if it changed, then counts the execution if it has finished, and records an event. The
// optimistic lock lets only one of several writers succeed, so that each finished execution is counted and reported
// once.
func (r *reconciler) writeStatus(
	ctx context.Context, seen observation, status *dispatcherv1alpha1.JobExecutionStatus,
) error {
	execution := seen.execution
	if equality.Semantic.DeepEqual(execution.Status, *status) {
		return nil
	}
	if _, err := r.patchStatus(ctx, seen, status); err != nil {
		return err
	}
	written := &dispatcherv1alpha1.JobExecution{ObjectMeta: execution.ObjectMeta, Spec: execution.Spec, Status: *status}
	if status.IsFinished() {
		r.observeFinished(ctx, written)
	}
	r.recordEvent(execution, written)
	return nil
}

// patchStatus stores the status if the execution has not changed since it was read. It returns the stored execution
// without its spec.
func (r *reconciler) patchStatus(
	ctx context.Context, seen observation, status *dispatcherv1alpha1.JobExecutionStatus,
) (*dispatcherv1alpha1.JobExecution, error) {
	execution := seen.execution
	if r.hasReplaced(execution) {
		// The API server would refuse this. The watch event of our own write has not arrived yet.
		return nil, errReplaced
	}
	// A patch is computed from the JSON of both objects. The spec is left out, since the payload may be large.
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
	if err := seen.term.Check(); err != nil {
		return nil, fmt.Errorf("writing the status: %w", err)
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, after, patch); err != nil {
		return nil, executionNamed(execution.Name).writeFailed("writing the status", err)
	}
	if after.ResourceVersion != execution.ResourceVersion {
		r.replaced.Add(execution.UID, replacedVersion{execution.ResourceVersion, r.clock.Now()})
	}
	return after, nil
}

// replacedFor is for how long a resourceVersion counts as replaced. After that, the API server decides: if etcd was
// restored from a snapshot, an execution has a resourceVersion that was replaced before.
const replacedFor = 30 * time.Second

// replacedVersion is the resourceVersion that a write has replaced, and when.
type replacedVersion struct {
	resourceVersion string
	at              time.Time
}

// hasReplaced says whether this process has replaced this version of the execution a moment ago.
func (r *reconciler) hasReplaced(execution *dispatcherv1alpha1.JobExecution) bool {
	remembered, _ := r.replaced.Get(execution.UID)
	replaced, ok := remembered.(replacedVersion)
	if !ok || replaced.resourceVersion != execution.ResourceVersion {
		return false
	}
	age := r.clock.Since(replaced.at)
	return age >= 0 && age < replacedFor
}

// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// recordEvent records an event if the execution has finished, or if its Job or its pods have become blocked. before is
// the execution before its status was written, after is that of now.
func (r *reconciler) recordEvent(before, after *dispatcherv1alpha1.JobExecution) {
	last, now := before.Summary(), after.Summary()
	var eventType, action string
	switch {
	case now.Status == metav1.ConditionTrue, now.Reason == dispatcherv1alpha1.ReasonCanceled: // as the user wanted
		eventType, action = corev1.EventTypeNormal, "Finish"
	case now.Status == metav1.ConditionFalse:
		eventType, action = corev1.EventTypeWarning, "Finish"
	case now.Reason == dispatcherv1alpha1.ReasonJobForbidden && last.Reason != now.Reason:
		eventType, action = corev1.EventTypeWarning, "CreateJob"
	case isPodBlocker(now.Reason) && last.Reason != now.Reason:
		eventType, action = corev1.EventTypeWarning, "StartPods"
	default:
		return
	}
	r.recorder.Eventf(before, relatedJob(after), eventType, now.Reason, action, "%s", eventNote(after))
}

// relatedJob returns the Job that the event is also about, or nil.
func relatedJob(execution *dispatcherv1alpha1.JobExecution) runtime.Object {
	job := execution.Status.Job
	if job == nil {
		return nil
	}
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: job.APIVersion, Kind: job.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: execution.Namespace, Name: job.Name, UID: job.UID},
	}
}
