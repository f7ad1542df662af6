package controller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Every replica runs the controller, whether it leads or not: each knows all executions when its term begins. A
// reconcile whose call hangs ends, and so does not keep a worker and the Lease.
func TestOptions(t *testing.T) {
	withOptions := options()
	withOptions.SkipNameValidation = new(true) // The test may run twice.
	withOptions.LogConstructor = func(*reconcile.Request) logr.Logger { return logr.Discard() }
	withOptions.Reconciler = reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
		<-ctx.Done()
		return reconcile.Result{}, ctx.Err()
	})
	unmanaged, err := controller.NewUnmanaged("test", withOptions)
	if err != nil {
		t.Fatal(err)
	}
	if elected, ok := unmanaged.(manager.LeaderElectionRunnable); !ok || elected.NeedLeaderElection() {
		t.Error("a replica that does not lead does not run it")
	}
	synctest.Test(t, func(t *testing.T) {
		patient, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		_, _ = unmanaged.Reconcile(patient, reconcile.Request{})
		if took := time.Since(begun); took != reconcileTimeout {
			t.Errorf("a reconcile took %v, want %v", took, reconcileTimeout)
		}
	})
}

func TestExecutionNames(t *testing.T) {
	for _, test := range []struct {
		reason string
		change func(*batchv1.Job)
		want   []string
	}{
		{"reference and label agree", func(*batchv1.Job) {}, []string{"run"}},
		{"a Job may lose its label", func(job *batchv1.Job) { job.Labels = nil }, []string{"run"}},
		{"a Job may be orphaned", func(job *batchv1.Job) { job.OwnerReferences = nil }, []string{"run"}},
		{"they may disagree", func(job *batchv1.Job) { job.Labels[dispatcherv1alpha1.LabelJobExecution] = "other" },
			[]string{"run", "other"}},
		{"an owner that is no controller does not count",
			func(job *batchv1.Job) { job.Labels, job.OwnerReferences[0].Controller = nil, nil }, nil},
		{"nor does a kind of the same name in another group",
			func(job *batchv1.Job) { job.Labels, job.OwnerReferences[0].APIVersion = nil, "example.com/v1" }, nil},
	} {
		job := newJob(test.change)
		if diff := cmp.Diff(test.want, executionNames(job)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
		var enqueued []string
		for _, request := range requestsFor(t.Context(), job) {
			if request.Namespace != job.Namespace {
				t.Errorf("%s: namespace %q, want %q", test.reason, request.Namespace, job.Namespace)
			}
			enqueued = append(enqueued, request.Name)
		}
		if diff := cmp.Diff(test.want, enqueued); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", test.reason, diff)
		}
	}
}
