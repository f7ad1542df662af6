package controller

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// A Job gets the TTL of its template once its outcome is in the status, and not before.
func TestRestoreJobTTL(t *testing.T) {
	const week = dispatcherv1alpha1.MinJobTTLSeconds
	patched := []string{"patch Job"}
	changedByHand := func(job *batchv1.Job) { job.Spec.TTLSecondsAfterFinished = new(int32(5)) }
	removedByHand := func(job *batchv1.Job) { job.Spec.TTLSecondsAfterFinished = nil }
	notOurs := func(job *batchv1.Job) {
		delete(job.Annotations, dispatcherv1alpha1.AnnotationJobTTL)
	}
	annotated := func(value string) func(*batchv1.Job) {
		return func(job *batchv1.Job) { job.Annotations[dispatcherv1alpha1.AnnotationJobTTL] = value }
	}
	for _, test := range []struct {
		reason    string
		execution *dispatcherv1alpha1.JobExecution
		job       *batchv1.Job
		want      []string
		ttl       *int32
	}{
		{"the Job runs", newExecution(ranWith(active)), newJob(active, withTTL(60)), nil, new(int32(week))},
		{"the outcome is being written", newExecution(ranWith(active)), newJob(complete, withTTL(60)),
			[]string{"patch status of JobExecution"}, new(int32(week))},
		{"the outcome is written", newExecution(ranWith(complete)), newJob(complete, withTTL(60)), patched,
			new(int32(60))},
		{"a TTL of zero", newExecution(ranWith(complete)), newJob(complete, withTTL(0)), patched, new(int32(0))},
		{"a failure is an outcome", newExecution(ranWith(failed(""))), newJob(failed(""), withTTL(60)), patched,
			new(int32(60))},
		{"the template sets a week itself", newExecution(ranWith(complete)), newJob(complete, withTTL(60), notOurs),
			nil, new(int32(week))},
		{"the template sets none", newExecution(ranWith(complete)), newJob(complete), nil, nil},
		{"somebody has changed it", newExecution(ranWith(complete)), newJob(complete, withTTL(60), changedByHand), nil,
			new(int32(5))},
		{"somebody has removed it", newExecution(ranWith(complete)), newJob(complete, withTTL(60), removedByHand), nil,
			nil},
		{"somebody wrote nonsense", newExecution(ranWith(complete)), newJob(complete, withTTL(60), annotated("soon")),
			nil, new(int32(week))},
		{"somebody wrote a negative number", newExecution(ranWith(complete)),
			newJob(complete, withTTL(60), annotated("-1")), nil, new(int32(week))},
		{"somebody wrote a number that is too large", newExecution(ranWith(complete)),
			newJob(complete, withTTL(60), annotated("4294967296")), nil, new(int32(week))},
		{"the Job is being deleted", newExecution(ranWith(complete)),
			newJob(complete, withTTL(60), deleting, finalized), nil, new(int32(week))},
	} {
		t.Run(test.reason, func(t *testing.T) {
			pod := newPod(exited(0, "Completed", "", 30))
			c := newCluster(t, newTemplate(), test.execution, test.job, pod)
			before := test.job.DeepCopy()
			if diff := cmp.Diff(test.want, c.stepUnseen()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			job := &batchv1.Job{}
			if err := c.server.Get(t.Context(), testKey, job); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.ttl, job.Spec.TTLSecondsAfterFinished); diff != "" {
				t.Errorf("TTL (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before.Finalizers, job.Finalizers); diff != "" {
				t.Errorf("finalizers (-want +got):\n%s", diff)
			}
			if len(test.want) == 0 || test.want[0] != patched[0] {
				return
			}

			// From now on, the TTL is its owner's business.
			c.setJob(func(job *batchv1.Job) { job.Spec.TTLSecondsAfterFinished = new(int32(week)) })
			c.sync()
			if calls := c.step(); len(calls) > 0 {
				t.Errorf("calls = %q for a TTL that somebody set later, want none", calls)
			}
		})
	}
}

// A cache that is behind does not change another Job of the name, and the failed try is no error.
func TestRestoreJobTTLBehindTheCache(t *testing.T) {
	server := newJob(complete, withTTL(60), func(job *batchv1.Job) { job.UID = "another" })
	cached := newJob(complete, withTTL(60), func(job *batchv1.Job) { job.ResourceVersion = "1" })
	execution := newExecution(ranWith(complete))
	c := newLaggingCluster(t, store([]client.Object{execution, server}...), store(execution, cached))
	if _, _, err := c.reconcile(); err != nil {
		t.Fatal(err)
	}
	job := &batchv1.Job{}
	if err := c.server.Get(t.Context(), testKey, job); err != nil {
		t.Fatal(err)
	}
	if *job.Spec.TTLSecondsAfterFinished != dispatcherv1alpha1.MinJobTTLSeconds {
		t.Errorf("the TTL of another Job is %d", *job.Spec.TTLSecondsAfterFinished)
	}
}

// A Job that is gone needs no TTL.
func TestRestoreJobTTLOfAJobThatIsGone(t *testing.T) {
	execution := newExecution(ranWith(complete))
	c := newLaggingCluster(t, store(execution), store(execution, newJob(complete, withTTL(60))))
	if _, calls, err := c.reconcile(); err != nil || !slices.Contains(calls, "patch Job") {
		t.Errorf("calls = %q, error = %v, want a try and no error", calls, err)
	}
}
