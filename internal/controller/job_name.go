package controller

import (
	"context"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// nameOfJob returns the name of the execution's Job. It cannot have another.
func nameOfJob(execution *dispatcherv1alpha1.JobExecution) string {
	if execution.Status.JobName != "" {
		return execution.Status.JobName
	}
	return execution.Name
}

// storeJobName stores the name that the template gives the Job, before the Job is created. Each render may give another
// name, so that the name alone would not prevent a second Job, for example where a leader was frozen and another took
// over. The optimistic lock lets one of them store its name; the other one gets a conflict and starts over with the
// stored name.
func (r *reconciler) storeJobName(ctx context.Context, seen observation, name string) error {
	execution := seen.execution
	status := execution.Status.DeepCopy()
	status.JobName = name
	stored, err := r.patchStatus(ctx, seen, status)
	if err != nil {
		return err
	}
	execution.ResourceVersion, execution.Status = stored.ResourceVersion, stored.Status
	return nil
}
