package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// A tool that prunes what carries its mark must not find it on a Job; everything else that the template is labelled
// with is what Jobs are found and queued by.
func TestJobInheritsLabels(t *testing.T) {
	template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{Name: "t", Namespace: "n", Labels: map[string]string{
		"team":                                 "x",
		"kueue.x-k8s.io/queue-name":            "batch",
		"app.kubernetes.io/name":               "orders",
		"app.kubernetes.io/managed-by":         "Helm",
		"applyset.kubernetes.io/part-of":       "set",
		"argocd.argoproj.io/instance":          "app",
		"kustomize.toolkit.fluxcd.io/name":     "app",
		"kapp.k14s.io/app":                     "1",
		"dispatcher.ivan.vc/job-execution":     "another",
		"dispatcher.ivan.vc/something-of-ours": "y",
	}}}
	program, errs := compile(&batchv1.JobTemplateSpec{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	execution := &dispatcherv1alpha1.JobExecution{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "n"}}
	job, errs := program.job(t.Context(), template, execution)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := map[string]string{
		"team":                             "x",
		"kueue.x-k8s.io/queue-name":        "batch",
		"app.kubernetes.io/name":           "orders",
		"dispatcher.ivan.vc/job-template":  "t",
		"dispatcher.ivan.vc/job-execution": "e",
	}
	if diff := cmp.Diff(want, job.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// What is wrong with a label of the pods is said once, where the template has it.
func TestJobGetsNoInvalidLabelsOfItsPods(t *testing.T) {
	spec := jobWithArgs("x")
	spec.Spec.Template.Labels = map[string]string{"good": "a", "bad": "a b", "a b": "bad", "long": strings.Repeat("a", 64)}
	job, errs := NewDirect(1).Job(t.Context(), templateOf(spec), &dispatcherv1alpha1.JobExecution{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for key := range spec.Spec.Template.Labels {
		if _, ok := job.Labels[key]; ok != (key == "good") {
			t.Errorf("label %q of the Job: %v", key, ok)
		}
		if _, ok := job.Spec.Template.Labels[key]; !ok {
			t.Errorf("the pods lack the label %q", key)
		}
	}
}
