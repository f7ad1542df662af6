package controller

import (
	"context"
	"fmt"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// An execution whose template has startDeadlineSeconds fails if none of its pods has started by then. Once a Job
// exists, the deadline is that of the template that it was rendered from, which is in an annotation of the Job. That a
// pod has started is in the status of the execution: the write that stores it and the write that ends the execution
// exclude each other.

// startDeadlineOf returns the start deadline that the Job notes.
func startDeadlineOf(job *batchv1.Job) (seconds int32, ok bool) {
	value, err := strconv.ParseInt(job.Annotations[dispatcherv1alpha1.AnnotationStartDeadline], 10, 32)
	return int32(value), err == nil && value > 0
}

// podStartTime returns when the first pod of a Job with a start deadline started. A pod that has started counts for
// ever: it may have failed and been deleted since, which the Job's counters tell.
func podStartTime(
	execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, pods podSummary,
) *metav1.Time {
	_, ok := startDeadlineOf(job)
	switch {
	case execution.Status.PodStartTime != nil || !ok:
		return execution.Status.PodStartTime
	case pods.firstStart != nil:
		return pods.firstStart
	case job.Status.Failed > 0 || job.Status.Succeeded > 0 || ptr.Deref(job.Status.Ready, 0) > 0:
		return new(ptr.Deref(job.Status.StartTime, job.CreationTimestamp))
	}
	return nil
}

// isAwaitingStart says whether the Job has a start deadline that is not met yet.
func isAwaitingStart(status *dispatcherv1alpha1.JobExecutionStatus, job *batchv1.Job) bool {
	_, ok := startDeadlineOf(job)
	return ok && status.PodStartTime == nil && !status.IsFinished()
}

// leftToStart returns how much of the seconds since the creation of the execution is left. The creationTimestamp has
// whole seconds: without one more, an execution could be ended up to a second early.
func (r *reconciler) leftToStart(execution *dispatcherv1alpha1.JobExecution, seconds int32) time.Duration {
	return execution.CreationTimestamp.Add((time.Duration(seconds) + 1) * time.Second).Sub(r.clock.Now())
}

// enforceStartDeadline replaces the status by a final one if the start deadline of the Job has passed. Otherwise left
// is the time until then, or zero if there is nothing to wait for. The cache may not show yet that a pod has started,
// so the Job and its pods are read past it first.
func (r *reconciler) enforceStartDeadline(
	ctx context.Context,
	execution *dispatcherv1alpha1.JobExecution,
	job *batchv1.Job,
	status *dispatcherv1alpha1.JobExecutionStatus,
) (left time.Duration, exceeded bool, err error) {
	if !isAwaitingStart(status, job) {
		return 0, false, nil
	}
	seconds, _ := startDeadlineOf(job)
	if left := r.leftToStart(execution, seconds); left > 0 {
		r.looks.watched.Add(keyOf(job), true)
		return left, false, nil
	}
	current, err := r.readJob(ctx, execution, referenceTo(job))
	if err != nil {
		return 0, false, err
	}
	if current == nil {
		return 0, false, fmt.Errorf("reading Job %s past the cache, which shows it: %w", job.Name, errOutdated)
	}
	pods, err := r.readPods(ctx, execution, current)
	if err != nil {
		return 0, false, err
	}
	summary := summaryOfPods(pods)
	if derived := deriveStatus(execution, current, summary); !isAwaitingStart(&derived, job) || isOutcomeCertain(current) {
		// It has started, or ended. The watch event of that comes, and tells the rest.
		*status = derived
		return 0, false, nil
	}
	r.startedJobs.add(keyOf(execution), referenceTo(current))
	late := startDeadlineExceeded(execution, seconds, status.Summary().Message)
	*status = failedStatus(execution, current, late, r.clock.Now())
	return 0, true, nil
}

// readPods reads the pods of the Job past the cache. Those that have ended, or are being deleted, are among them.
func (r *reconciler) readPods(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job,
) ([]*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, readPodsTimeout)
	defer cancel()
	var pods corev1.PodList
	err := r.apiReader.List(ctx, &pods, client.InNamespace(job.Namespace), client.Limit(maxReadPods),
		client.MatchingLabels{dispatcherv1alpha1.LabelJobExecution: execution.Name})
	if err != nil {
		return nil, fmt.Errorf("reading the pods of Job %s past the cache: %w", job.Name, err)
	}
	return podsOf(job, pods.Items), nil
}

// startsTooLate returns the Job of an execution that the caches show none for, if it has one, or else a terminal error
// if the start deadline of its template has passed.
func (r *reconciler) startsTooLate(ctx context.Context, seen observation) (*batchv1.Job, error) {
	if r.leftToStart(seen.execution, 1) > 0 {
		return nil, nil // There is no shorter deadline.
	}
	seconds, ok := r.startDeadlineOfTemplate(ctx, seen.execution)
	if !ok || r.leftToStart(seen.execution, seconds) > 0 {
		return nil, nil
	}
	job, err := r.readCurrentJob(ctx, seen)
	if job != nil || err != nil {
		return job, err
	}
	r.startedJobs.add(keyOf(seen.execution), nil)
	return nil, startDeadlineExceeded(seen.execution, seconds, waitedFor(seen.execution))
}

// untilStartDeadline returns the time until the start deadline of the template of an execution without a Job, or zero.
func (r *reconciler) untilStartDeadline(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution,
) time.Duration {
	seconds, ok := r.startDeadlineOfTemplate(ctx, execution)
	if !ok {
		return 0
	}
	return max(r.leftToStart(execution, seconds), minWaitInterval)
}

// startDeadlineOfTemplate returns the startDeadlineSeconds of the execution's template, as the cache shows it.
func (r *reconciler) startDeadlineOfTemplate(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution,
) (seconds int32, ok bool) {
	template := &dispatcherv1alpha1.JobTemplate{}
	key := types.NamespacedName{Namespace: execution.Namespace, Name: execution.Spec.JobTemplateName}
	if err := r.client.Get(ctx, key, template); err != nil || template.Spec.StartDeadlineSeconds == nil {
		return 0, false
	}
	return *template.Spec.StartDeadlineSeconds, true
}

// waitedFor is what an execution without a Job has waited for, as its status says.
func waitedFor(execution *dispatcherv1alpha1.JobExecution) string {
	if execution.Status.ObservedGeneration == 0 {
		return "no leader of Dispatcher has created its Job"
	}
	return execution.Summary().Message
}

func startDeadlineExceeded(
	execution *dispatcherv1alpha1.JobExecution, seconds int32, cause string,
) *terminalError {
	return &terminalError{
		reason: dispatcherv1alpha1.ReasonStartDeadlineExceeded,
		message: fmt.Sprintf(
			"no pod has started within %d seconds, the startDeadlineSeconds of JobTemplate %s; its Job, if any, is "+
				"deleted; it waited: %s",
			seconds,
			execution.Spec.JobTemplateName,
			truncated(cause),
		),
	}
}
