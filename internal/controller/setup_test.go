package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

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
