package controller

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// staleAfter is the age up to which an execution that this process has not run is taken as the cache shows it.
	staleAfter = 10 * time.Second

	// settledAfter is how long a process must have been the leader before it does so. The leader before it may have run
	// what is younger than that. It is longer than staleAfter by more than a leader needs to notice that it is one no more.
	settledAfter = 30 * time.Second

	// clockSkew is how far in the future an execution may seem to be created, whose time the API server gave.
	clockSkew = 2 * time.Second
)

// observation is what a reconcile knows before it acts.
type observation struct {
	// execution is nil when it does not exist, or is being deleted: then there is nothing to do but to let its Job go.
	execution *dispatcherv1alpha1.JobExecution

	// job is the Job of the execution.
	job *batchv1.Job

	// jobLost says that the execution had a Job, and that the API server has it no more.
	jobLost bool

	// leftovers are cached Jobs under the execution's name that are not of this execution: of one that is gone.
	leftovers []batchv1.Job
}

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=get;list;watch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch

// observe reads the execution and its Job, from the cache where it can be trusted. While a Job is there, or the
// execution is finished or fresh, it costs no call.
func (r *reconciler) observe(ctx context.Context, key types.NamespacedName) (observation, error) {
	var seen observation
	execution, err := getExecution(ctx, r.client, key)
	if err != nil {
		return seen, err
	}
	var jobs batchv1.JobList
	if err := r.client.List(ctx, &jobs, client.InNamespace(key.Namespace), client.MatchingFields{byExecution: key.Name}); err != nil {
		return seen, fmt.Errorf("listing the Jobs of the execution: %w", err)
	}
	seen.execution = execution
	seen.sortJobs(jobs.Items)
	if seen.job != nil || seen.execution == nil || isFinished(seen.execution) || !r.mayBeStale(seen.execution) {
		return seen, nil
	}

	if seen.execution, err = getExecution(ctx, r.live, key); err != nil {
		return seen, err
	}
	seen.sortJobs(jobs.Items)
	return seen, r.observeLostJob(ctx, &seen)
}

// sortJobs tells the Job of the execution from those that are left over.
func (o *observation) sortJobs(jobs []batchv1.Job) {
	o.job, o.leftovers = nil, nil
	if o.execution != nil && !o.execution.DeletionTimestamp.IsZero() {
		o.execution = nil
	}
	for i := range jobs {
		if o.job == nil && o.execution != nil && isJobOf(&jobs[i], o.execution) {
			o.job = &jobs[i]
			continue
		}
		o.leftovers = append(o.leftovers, jobs[i])
	}
}

// observeLostJob looks past the cache for a Job that is known to have been made.
func (r *reconciler) observeLostJob(ctx context.Context, seen *observation) error {
	if seen.execution == nil || seen.job != nil || isFinished(seen.execution) {
		return nil
	}
	known := r.knownJob(seen.execution)
	if known == nil {
		return nil
	}
	job, err := r.liveJob(ctx, seen.execution, known)
	if err != nil {
		return err
	}
	seen.job, seen.jobLost = job, job == nil
	return nil
}

// mayBeStale says whether more may have happened to an execution without a Job than the cache shows.
func (r *reconciler) mayBeStale(execution *dispatcherv1alpha1.JobExecution) bool {
	now := r.clock.Now()
	age := now.Sub(execution.CreationTimestamp.Time)
	_, started := r.started.Get(execution.UID)
	return started || execution.Status.Job != nil ||
		age > staleAfter || age < -clockSkew ||
		now.Sub(r.leadingSince()) < settledAfter
}

// knownJob returns the Job that the execution is known to have, from its status or from this process's own memory.
func (r *reconciler) knownJob(execution *dispatcherv1alpha1.JobExecution) *dispatcherv1alpha1.JobReference {
	if execution.Status.Job != nil {
		return execution.Status.Job
	}
	started, _ := r.started.Get(execution.UID)
	reference, _ := started.(*dispatcherv1alpha1.JobReference)
	return reference
}

// liveJob reads a Job past the cache. It returns nil if it is gone, or if another has taken its name.
//
// A Job that lost its label is invisible to the cache, and would never again wake its execution: it gets it back.
func (r *reconciler) liveJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, reference *dispatcherv1alpha1.JobReference) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	err := r.live.Get(ctx, types.NamespacedName{Namespace: execution.Namespace, Name: reference.Name}, job)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Job %s past the cache: %w", reference.Name, err)
	case job.UID != reference.UID:
		return nil, nil
	}
	return job, r.restoreLabel(ctx, execution, job)
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=patch

// restoreLabel gives a Job its label back, by which the cache finds it.
func (r *reconciler) restoreLabel(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) error {
	if _, ok := job.Labels[dispatcherv1alpha1.LabelJobExecution]; ok {
		return nil
	}
	patch := client.MergeFrom(job.DeepCopy())
	metav1.SetMetaDataLabel(&job.ObjectMeta, dispatcherv1alpha1.LabelJobExecution, execution.Name)
	if err := r.client.Patch(ctx, job, patch); err != nil {
		return fmt.Errorf("restoring the label of Job %s: %w", job.Name, err)
	}
	return nil
}

// getExecution returns nil if there is none.
func getExecution(ctx context.Context, reader client.Reader, key types.NamespacedName) (*dispatcherv1alpha1.JobExecution, error) {
	execution := &dispatcherv1alpha1.JobExecution{}
	if err := reader.Get(ctx, key, execution); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading the execution: %w", err)
	}
	return execution, nil
}

// isJobOf says whether the execution controls the Job. A Job that stands in its status is its own even if somebody took
// the reference away.
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
