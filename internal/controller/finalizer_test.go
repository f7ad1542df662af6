package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

func TestFinalizer(t *testing.T) {
	running := newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status = deriveStatus(execution, newJob(active), podSummary{})
	})
	finished := newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status = deriveStatus(execution, newJob(complete), podSummary{})
	})
	leaving := newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
		execution.DeletionTimestamp, execution.Finalizers = new(at(0)), []string{metav1.FinalizerOrphanDependents}
	})
	earlier := func(job *batchv1.Job) {
		job.UID, job.OwnerReferences[0].UID = "uid-of-earlier-job", "uid-of-earlier-execution"
	}
	ofAnother := func(job *batchv1.Job) { job.OwnerReferences[0].Name = "another" }
	orphaned := func(job *batchv1.Job) { job.OwnerReferences = nil }
	const write, release = "patch status of JobExecution", "patch Job"

	for _, test := range []struct {
		reason           string
		execution        *dispatcherv1alpha1.JobExecution // in the cache
		onServer         *dispatcherv1alpha1.JobExecution
		job              *batchv1.Job
		want             []string
		held, terminated bool
	}{
		{"a Job that runs is kept", running, running, newJob(active, held), nil, true, false},
		{"a Job that runs is kept even if it lost its owner", running, running, newJob(active, held, orphaned), nil, true, false},
		{"a Job is kept while its outcome is being written", running, running, newJob(complete, held), []string{write}, true, false},
		{"even if it is on its way", running, running, newJob(complete, held, deleting), []string{write}, true, false},
		{"its outcome may be that it was deleted", running, running, newJob(active, held, deleting), []string{write}, true, false},
		{"a Job is let go when its outcome is seen to be written", finished, finished, newJob(complete, held), []string{release}, false, false},
		{"and then it goes, if it was to", finished, finished, newJob(complete, held, deleting), []string{release}, false, true},
		{"nobody waits for it if its execution is being deleted", leaving, leaving, newJob(active, held), []string{"get JobExecution", release}, false, false},
		{"or is gone", nil, nil, newJob(active, held), []string{"get JobExecution", release}, false, false},
		{"or is gone, and the Job too is on its way", nil, nil, newJob(active, held, deleting), []string{"get JobExecution", release}, false, true},
		{"or is gone, and the Job was orphaned", nil, nil, newJob(active, held, orphaned), []string{"get JobExecution", release}, false, false},
		{"an execution that the cache does not show yet is not gone", nil, running, newJob(active, held), []string{"get JobExecution"}, true, false},
		{"the Job of an earlier execution of this name is let go", finished, finished, newJob(active, held, earlier), []string{"get JobExecution", release}, false, false},
		{"a Job that another execution controls is left to it, whatever its label says", nil, nil, newJob(active, held, ofAnother), []string{"get JobExecution"}, true, false},
		{"a Job that has no finalizer of ours is left alone", nil, nil, newJob(active), nil, false, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			pod := newPod(exited(0, "Completed", "", 30))
			server, cache := []client.Object{test.job, pod}, []client.Object{test.job, pod}
			if test.onServer != nil {
				server = append(server, test.onServer)
			}
			if test.execution != nil {
				cache = append(cache, test.execution)
			}
			c := newLaggingCluster(t, store(server...), store(cache...))
			_, calls, err := c.reconcile()
			if err != nil {
				t.Fatal(err)
			}
			// What comes after is the business of another policy.
			if diff := cmp.Diff(test.want, calls[:min(len(calls), len(test.want))]); diff != "" || (len(test.want) == 0 && len(calls) > 0) {
				t.Errorf("calls (-want +got):\n%s%q", diff, calls)
			}
			job := &batchv1.Job{}
			err = c.server.Get(t.Context(), testKey, job)
			if terminated := apierrors.IsNotFound(err); terminated != test.terminated {
				t.Fatalf("reading the Job: %v, want it to be gone: %v", err, test.terminated)
			}
			if hasTrackingFinalizer(job) != test.held {
				t.Errorf("held = %v, want %v", hasTrackingFinalizer(job), test.held)
			}
		})
	}
}

// A finalizer is taken away, and no other: neither one that was there, nor one that came meanwhile.
func TestReleaseKeepsOtherFinalizers(t *testing.T) {
	other := func(job *batchv1.Job) { job.Finalizers = append(job.Finalizers, "example.com/other") }
	c := newCluster(t, newJob(complete, held), newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status = deriveStatus(execution, newJob(complete), podSummary{})
	}))
	c.setJob(other)
	if _, _, err := c.reconcile(); err != nil {
		t.Fatal(err)
	}
	job := &batchv1.Job{}
	if err := c.server.Get(t.Context(), testKey, job); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{dispatcherv1alpha1.FinalizerJobTracking, "example.com/other"}, job.Finalizers); diff != "" {
		t.Errorf("an outdated cache changed the finalizers (-want +got):\n%s", diff)
	}

	c.sync()
	c.step()
	if err := c.server.Get(t.Context(), testKey, job); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"example.com/other"}, job.Finalizers); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
}
