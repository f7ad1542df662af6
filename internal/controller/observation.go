package controller

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
)

const (
	// staleAfter is the age up to which the cache is trusted for an execution whose Job this process has not created.
	staleAfter = 10 * time.Second

	// settledAfter is for how long a term must have lasted before it trusts the cache like this. An execution younger
	// than that may have been run by the leader before. It exceeds staleAfter by more than a leader needs to notice
	// that it has lost the Lease.
	settledAfter = 30 * time.Second

	// clockSkew is how far in the future the creationTimestamp, which the API server sets, may be.
	clockSkew = 2 * time.Second
)

// observation is the state that a reconcile acts on.
type observation struct {
	// term is the one that the rest was observed in, and in which alone it may be acted on.
	term *leader.Term

	// execution is nil if it does not exist or is being deleted.
	execution *dispatcherv1alpha1.JobExecution

	// job is the Job of the execution.
	job *batchv1.Job

	// jobGone says that the execution had a Job that no longer exists.
	jobGone bool
}

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=get;list;watch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch

// observe reads the execution and its Job, from the cache if it can be trusted. If the Job exists, or the execution is
// new or finished, it makes no API call.
func (r *reconciler) observe(ctx context.Context, term *leader.Term, key types.NamespacedName) (observation, error) {
	seen := observation{term: term}
	execution, err := getExecution(ctx, r.client, key)
	if err != nil {
		return seen, err
	}
	var jobs batchv1.JobList
	named := client.MatchingFields{byExecution: key.Name}
	if err := r.client.List(ctx, &jobs, client.InNamespace(key.Namespace), named); err != nil {
		return seen, fmt.Errorf("listing the Jobs of the execution: %w", err)
	}
	seen.execution = execution
	seen.findJob(jobs.Items)
	if seen.job != nil || seen.execution == nil || seen.execution.IsFinished() || !r.cacheMayLag(term, seen.execution) {
		return seen, nil
	}

	seen.execution, err = getExecution(ctx, r.apiReader, key)
	switch {
	case err != nil:
		return seen, err
	case seen.execution == nil:
		return seen, fmt.Errorf("reading the execution past the cache, which shows it: %w", errOutdated)
	}
	seen.findJob(jobs.Items)
	return seen, r.findMissingJob(ctx, &seen)
}

// findJob finds the Job of the execution among the cached Jobs with its name. Others are of earlier executions.
func (o *observation) findJob(jobs []batchv1.Job) {
	if o.execution != nil && !o.execution.DeletionTimestamp.IsZero() {
		o.execution = nil
	}
	o.job = nil
	for i := range jobs {
		if o.execution != nil && isJobOf(&jobs[i], o.execution) {
			o.job = &jobs[i]
			return
		}
	}
}

// findMissingJob reads past the cache a Job that is known to have been created.
func (r *reconciler) findMissingJob(ctx context.Context, seen *observation) error {
	if seen.execution == nil || seen.job != nil || seen.execution.IsFinished() {
		return nil
	}
	known := r.knownJob(seen.execution)
	if known == nil {
		return nil
	}
	job, err := r.readJob(ctx, seen.execution, known)
	if err != nil {
		return err
	}
	seen.job, seen.jobGone = job, job == nil
	return nil
}

// cacheMayLag says whether an execution without a Job may have changed since the cache was updated.
func (r *reconciler) cacheMayLag(term *leader.Term, execution *dispatcherv1alpha1.JobExecution) bool {
	now := r.clock.Now()
	age := now.Sub(execution.CreationTimestamp.Time)
	return r.startedJobs.of(keyOf(execution)) != nil || execution.Status.Job != nil ||
		age > staleAfter || age < -clockSkew ||
		now.Sub(term.Since()) < settledAfter
}

// knownJob returns the reference to the Job from the status or from the memory of this process, or nil.
func (r *reconciler) knownJob(execution *dispatcherv1alpha1.JobExecution) *dispatcherv1alpha1.JobReference {
	if execution.Status.Job != nil {
		return execution.Status.Job
	}
	if started := r.startedJobs.of(keyOf(execution)); started != nil {
		return started.job
	}
	return nil
}

// readJob reads a Job past the cache. It returns nil if the Job does not exist or if another has its name.
//
// A Job without its label is not in the cache, and its changes would not enqueue its execution. Therefore the label is
// restored.
func (r *reconciler) readJob(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, reference *dispatcherv1alpha1.JobReference,
) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	err := r.apiReader.Get(ctx, types.NamespacedName{Namespace: execution.Namespace, Name: reference.Name}, job)
	switch {
	case jobNamed(reference.Name).isGone(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Job %s past the cache: %w", reference.Name, err)
	case job.UID != reference.UID && !isJobOf(job, execution):
		return nil, nil
	}
	return job, r.restoreLabel(ctx, execution, job)
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=patch

// restoreLabel sets the label of the execution, which selects the Job for the cache.
func (r *reconciler) restoreLabel(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job,
) error {
	if _, ok := job.Labels[dispatcherv1alpha1.LabelJobExecution]; ok {
		return nil
	}
	patch := client.MergeFrom(job.DeepCopy())
	metav1.SetMetaDataLabel(&job.ObjectMeta, dispatcherv1alpha1.LabelJobExecution, execution.Name)
	if err := r.client.Patch(ctx, job, patch); err != nil {
		return jobNamed(job.Name).writeFailed("restoring the label of Job "+job.Name, err)
	}
	return nil
}

// getExecution returns nil if there is none.
func getExecution(
	ctx context.Context, reader client.Reader, key types.NamespacedName,
) (*dispatcherv1alpha1.JobExecution, error) {
	execution := &dispatcherv1alpha1.JobExecution{}
	if err := reader.Get(ctx, key, execution); err != nil {
		if executionNamed(key.Name).isGone(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading the execution: %w", err)
	}
	return execution, nil
}

// isJobOf says whether the Job belongs to the execution: by its status, or else by the Job's controller reference. The
// status decides even if somebody removed the reference.
func isJobOf(job *batchv1.Job, execution *dispatcherv1alpha1.JobExecution) bool {
	if execution.Status.Job != nil {
		return execution.Status.Job.UID == job.UID
	}
	return metav1.IsControlledBy(job, execution)
}

func isExecution(owner *metav1.OwnerReference) bool {
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	return err == nil && gv.Group == dispatcherv1alpha1.GroupVersion.Group && owner.Kind == "JobExecution"
}
