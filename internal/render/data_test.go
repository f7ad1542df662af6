package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Otherwise a template could change with each kubectl apply, or with an annotation that admission does not look at.
func TestTemplatesDoNotSeeWhatKubectlAppliedLast(t *testing.T) {
	template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
		"team": "x", corev1.LastAppliedConfigAnnotation: "{}",
	}}}
	want := map[string]string{"team": "x"}
	if diff := cmp.Diff(want, newData(template, &dispatcherv1alpha1.JobExecution{}).JobTemplate.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if len(template.Annotations) != 2 {
		t.Error("the template was changed")
	}
}
