package controller

import (
	"context"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// nameOfJob returns the only name that the Job of the execution can have.
func nameOfJob(execution *dispatcherv1alpha1.JobExecution) string {
	if execution.Status.JobName != "" {
		return execution.Status.JobName
	}
	return execution.Name
}

// storeName stores the name that the template gives the Job, before the Job is made. It may be another at every render, so
// that it does not make the Job one only. And there may be two who believe to lead: a leader that was frozen, and the one
// that took over. Of these, one stores its name, and the other is refused and comes again.
func (r *reconciler) storeName(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, name string) error {
	status := execution.Status.DeepCopy()
	status.JobName = name
	stored, err := r.patchStatus(ctx, execution, status)
	if err != nil {
		return err
	}
	execution.ResourceVersion, execution.Status = stored.ResourceVersion, stored.Status
	return nil
}
