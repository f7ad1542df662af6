package controller

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// firstStatusAfter is how long after its Job was created an execution has a status, at the latest.
const firstStatusAfter = 2 * time.Second

// firstStatusDelay returns for how long the first status is not written yet. A new execution is known to wait for its
// first pod, which most get within a second: then Running is the first status, and a write is saved. It must not take
// longer, since only a status that names the Job tells other processes that there was one.
func (r *reconciler) firstStatusDelay(
	execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, status *dispatcherv1alpha1.JobExecutionStatus,
) time.Duration {
	if execution.Status.ObservedGeneration != 0 || status.Summary().Reason != dispatcherv1alpha1.ReasonWaiting ||
		startsNoPods(job) {
		return 0
	}
	started := r.startedJobs.add(keyOf(execution), referenceTo(job))
	return started.since.Add(firstStatusAfter).Sub(r.clock.Now())
}

// startsNoPods says whether the Job asks for no pods.
func startsNoPods(job *batchv1.Job) bool { return ptr.Deref(job.Spec.Parallelism, 1) == 0 }
