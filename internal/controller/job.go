package controller

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// ensureJob returns the Job of the execution, and creates it if there never was one. The error is a *terminalError if
// the execution has to finish, a *retryableError if the Job cannot be created now, and any other error if the state is
// unknown.
func (r *reconciler) ensureJob(ctx context.Context, seen observation) (*batchv1.Job, error) {
	switch {
	case seen.execution.Spec.Canceled:
		return r.canceledJob(ctx, seen)
	case seen.job != nil:
		return seen.job, nil
	case seen.jobGone:
		return nil, jobDeleted(seen.execution, r.knownJob(seen.execution).Name)
	}
	if existing, err := r.startsTooLate(ctx, seen); existing != nil || err != nil {
		return existing, err
	}
	if err := r.early(seen.execution.UID); err != nil {
		return nil, err
	}
	job, err := r.renderJob(ctx, seen.execution)
	var terminal *terminalError
	switch {
	case errors.As(err, &terminal):
		// The Job may have been created already, from an earlier state of the template.
		return r.findJob(ctx, seen.execution, err)
	case err != nil:
		return nil, err
	case job.Name != nameOfJob(seen.execution) && seen.execution.Status.JobName == "":
		// An earlier state of the template may not have named the Job.
		if existing, err := r.findJob(ctx, seen.execution, nil); existing != nil || err != nil {
			return existing, err
		}
		if err := r.storeJobName(ctx, seen, job.Name); err != nil {
			return nil, err
		}
	}
	job.Name = nameOfJob(seen.execution)
	return r.createJob(ctx, seen, job)
}

// findJob looks up the Job of the execution past the cache. It returns the error absent if there is none.
func (r *reconciler) findJob(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, absent error,
) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	key := types.NamespacedName{Namespace: execution.Namespace, Name: nameOfJob(execution)}
	err := r.apiReader.Get(ctx, key, job)
	switch {
	case jobNamed(key.Name).isGone(err) || err == nil && !isJobOf(job, execution):
		return nil, absent
	case err != nil:
		return nil, fmt.Errorf("reading Job %s past the cache: %w", key.Name, err)
	}
	return r.rememberJob(execution, job), r.restoreLabel(ctx, execution, job)
}

// The owner reference of a Job blocks the deletion of its execution. Where the admission plugin
// OwnerReferencesPermissionEnforcement is enabled, this takes the right to update the finalizers of the execution.
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=create
// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions/finalizers,verbs=update

// createJob creates the Job, or returns the existing one. The name of the Job ensures that there is only one: the API
// server stores one object of a name, however many processes try.
func (r *reconciler) createJob(ctx context.Context, seen observation, job *batchv1.Job) (*batchv1.Job, error) {
	execution := seen.execution
	if err := seen.term.Check(); err != nil {
		return nil, fmt.Errorf("creating Job %s: %w", job.Name, err)
	}
	err := r.client.Create(ctx, job)
	switch {
	case err == nil:
		observeJobCreated(execution, r.clock.Now())
		return r.rememberJob(execution, job), nil
	case isNamespaceTerminating(err, job.Namespace):
		return nil, errNamespaceTerminating
	case isContention(err):
		return nil, fmt.Errorf("creating Job %s: %w: %w", job.Name, errContended, err)
	case !isRefusal(err):
		return nil, fmt.Errorf("creating Job %s: %w", job.Name, createFailed(err))
	}

	// The API server checks quotas and policies before the name. So the refusal may be about a Job that was created
	// already and that the cache does not show yet.
	existing, absent := &batchv1.Job{}, jobNamed(job.Name)
	getErr := r.apiReader.Get(ctx, client.ObjectKeyFromObject(job), existing)
	switch {
	case absent.isGone(getErr) && isTaken(err):
		return nil, fmt.Errorf("creating Job %s, whose name was taken until now: %w: %w", job.Name, errContended, err)
	case absent.isGone(getErr):
		return nil, createRefused(execution, job, err)
	case getErr != nil:
		return nil, fmt.Errorf("reading Job %s past the cache: %w", job.Name, getErr)
	case isJobOf(existing, execution):
		return r.rememberJob(execution, existing), r.restoreLabel(ctx, execution, existing)
	case isTaken(err):
		return nil, nameConflict(execution, existing)
	}
	return nil, createRefused(execution, job, err)
}

// rememberJob keeps a reference to the Job until the cache shows it.
func (r *reconciler) rememberJob(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) *batchv1.Job {
	r.startedJobs.add(keyOf(execution), referenceTo(job))
	return job
}
