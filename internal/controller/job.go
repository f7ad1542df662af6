package controller

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// ensureJob returns the Job of the execution, and makes it if there never was one. Its error is a *failure if there can
// be none, an *obstacle if there can be none now, and anything else if it is not known.
func (r *reconciler) ensureJob(ctx context.Context, seen observation) (*batchv1.Job, error) {
	switch {
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
	case job.Name != seen.execution.Name:
		// A name that the template gives may be another at every render: it does not make the Job one only.
		if existing, err := r.findJob(ctx, seen.execution, nil); existing != nil || err != nil {
			return existing, err
		}
	}
	return r.createJob(ctx, seen.execution, job)
}

// findJob looks for a Job of the execution past the cache, whatever its name. It returns absent if there is none.
func (r *reconciler) findJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, absent error) (*batchv1.Job, error) {
	var jobs batchv1.JobList
	err := r.live.List(ctx, &jobs, client.InNamespace(execution.Namespace), client.MatchingLabels{dispatcherv1alpha1.LabelJobExecution: execution.Name})
	if err != nil {
		return nil, fmt.Errorf("looking for a Job of the execution: %w", err)
	}
	for i := range jobs.Items {
		if isJobOf(&jobs.Items[i], execution) {
			return r.remember(execution, &jobs.Items[i]), nil
		}
	}
	return nil, absent
}

// The owner reference of a Job blocks the deletion of its execution, which takes the right to set finalizers on it where
// OwnerReferencesPermissionEnforcement is on.
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=create
// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions/finalizers,verbs=update

// createJob creates the Job, or finds that it exists. The name of the Job is what makes it one only, where it is the
// execution's: however often and by whomever this is called, the API server stores one object of that name.
func (r *reconciler) createJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) (*batchv1.Job, error) {
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
