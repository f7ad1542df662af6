package controller

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// ensureJob returns the Job of the execution, and makes it if there never was one. Its error is a *failure if there can
// be none or it must go, an *obstacle if there can be none now, and anything else if it is not known.
func (r *reconciler) ensureJob(ctx context.Context, seen observation) (*batchv1.Job, error) {
	switch {
	case seen.execution.Spec.Canceled:
		return r.canceledJob(ctx, seen)
	case seen.job != nil:
		return seen.job, nil
	case seen.jobLost:
		return nil, jobDeleted(seen.execution, r.knownJob(seen.execution).Name)
	}
	job, err := r.renderJob(ctx, seen.execution)
	var final *failure
	switch {
	case errors.As(err, &final):
		// The template's present state says nothing about an execution that has run already.
		return r.findJob(ctx, seen.execution, err)
	case err != nil:
		return nil, err
	case job.Name != nameOfJob(seen.execution) && seen.execution.Status.JobName == "":
		// An earlier state of the template may not have named the Job.
		if existing, err := r.findJob(ctx, seen.execution, nil); existing != nil || err != nil {
			return existing, err
		}
		if err := r.storeName(ctx, seen.execution, job.Name); err != nil {
			return nil, err
		}
	}
	job.Name = nameOfJob(seen.execution)
	return r.createJob(ctx, seen.execution, job)
}

// findJob looks for the Job of the execution past the cache. It returns absent if there is none.
func (r *reconciler) findJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, absent error) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	key := types.NamespacedName{Namespace: execution.Namespace, Name: nameOfJob(execution)}
	err := r.live.Get(ctx, key, job)
	switch {
	case apierrors.IsNotFound(err) || err == nil && !isJobOf(job, execution):
		return nil, absent
	case err != nil:
		return nil, fmt.Errorf("reading Job %s past the cache: %w", key.Name, err)
	}
	return r.remember(execution, job), r.restoreLabel(ctx, execution, job)
}

// The owner reference of a Job blocks the deletion of its execution, which takes the right to set finalizers on it where
// OwnerReferencesPermissionEnforcement is on.
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=create
// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions/finalizers,verbs=update

// createJob creates the Job, or finds that it exists. The name of the Job is what makes it one only: however often and by
// whomever this is called, the API server stores one object of that name.
func (r *reconciler) createJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) (*batchv1.Job, error) {
	if err := r.lease.held(); err != nil {
		return nil, fmt.Errorf("creating Job %s: %w", job.Name, err)
	}
	err := r.client.Create(ctx, job)
	switch {
	case err == nil:
		observeJobCreated(execution, r.clock.Now())
		return r.remember(execution, job), nil
	case isNamespaceTerminating(err):
		return nil, errNamespaceTerminating
	case !isRefusal(err):
		return nil, fmt.Errorf("creating Job %s: %w", job.Name, err)
	}

	// Quotas and policies are judged before the name is. So a Job that was created already, and that the cache does not
	// show yet, may be refused for any reason.
	existing := &batchv1.Job{}
	getErr := r.live.Get(ctx, client.ObjectKeyFromObject(job), existing)
	switch {
	case apierrors.IsNotFound(getErr) && apierrors.IsAlreadyExists(err):
		return nil, fmt.Errorf("creating Job %s, which was removed just now: %w", job.Name, err)
	case apierrors.IsNotFound(getErr):
		return nil, refused(execution, err)
	case getErr != nil:
		return nil, fmt.Errorf("reading Job %s past the cache: %w", job.Name, getErr)
	case isJobOf(existing, execution):
		return r.remember(execution, existing), r.restoreLabel(ctx, execution, existing)
	case apierrors.IsAlreadyExists(err):
		return nil, nameTaken(execution, existing)
	}
	return nil, refused(execution, err)
}

// remember notes the Job in this process's memory, where it is found until it comes into the cache.
func (r *reconciler) remember(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) *batchv1.Job {
	r.started.Add(execution.UID, referenceTo(job))
	return job
}
