package faults

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// toResume is what lets a suspended Job run.
var toResume = client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":false}}`))

// do does something to the execution that a call was answered with, as soon as the API server lets it.
func (c *cluster) do(ctx context.Context, what deed, made *call) {
	key := types.NamespacedName{Namespace: namespace, Name: made.name}
	for ; ctx.Err() == nil; pause(ctx, 500*time.Millisecond) {
		stored := &dispatcherv1alpha1.JobExecution{}
		err := c.admin.Get(ctx, key, stored)
		another := made.uid != "" && stored.UID != made.uid
		if apierrors.IsNotFound(err) || err == nil && (another || stored.IsFinished()) {
			return
		}
		if err == nil && c.attempt(ctx, what, stored) {
			return
		}
	}
}

// attempt returns whether it is done, or not to be done any more.
func (c *cluster) attempt(ctx context.Context, what deed, stored *dispatcherv1alpha1.JobExecution) bool {
	var err error
	switch what {
	case remove:
		c.ledger.note(c.ledger.deleted, stored.UID)
		err = c.admin.Delete(ctx, stored, client.Preconditions{UID: &stored.UID})
	case cancel:
		c.ledger.note(c.ledger.canceled, stored.UID)
		stored.Spec.Canceled = true
		err = c.admin.Update(ctx, stored)
	case removeJob, resume:
		// Before the status names the Job, nobody but its creator can know that there was one.
		if stored.Status.Job == nil {
			return false
		}
		made := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: stored.Status.Job.Name}}
		if what == removeJob {
			c.ledger.note(c.ledger.jobsDeleted, stored.UID)
			err = c.admin.Delete(ctx, made, client.Preconditions{UID: &stored.Status.Job.UID},
				client.PropagationPolicy(metav1.DeletePropagationBackground))
			break
		}
		err = c.admin.Patch(ctx, made, toResume)
	case nothing:
	}
	return err == nil || apierrors.IsNotFound(err)
}

// resumeAll lets the suspended Jobs run that nobody else will: those whose callers do not know of them.
func (c *cluster) resumeAll(ctx context.Context) {
	jobs := &batchv1.JobList{}
	must(c.t, c.admin.List(ctx, jobs, client.InNamespace(namespace),
		client.MatchingLabels{dispatcherv1alpha1.LabelJobTemplate: suspended}))
	for i := range jobs.Items {
		if *jobs.Items[i].Spec.Suspend {
			must(c.t, client.IgnoreNotFound(c.admin.Patch(ctx, &jobs.Items[i], toResume)))
		}
	}
}
