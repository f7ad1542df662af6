package render

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// All annotations of an object count together, with their keys and those that Dispatcher adds.
func TestAnnotationsAreBounded(t *testing.T) {
	const most = validation.TotalAnnotationSizeLimitB
	ofPod := len("first") + len("x") + len("b")
	ofJob := ofPod + len(dispatcherv1alpha1.AnnotationJobTemplateUID) + len("5f1f6d64") +
		len(dispatcherv1alpha1.AnnotationJobTemplateGeneration) + len("1")
	const job, pod = "spec.jobTemplate.metadata.annotations", "spec.jobTemplate.spec.template.metadata.annotations"
	for _, test := range []struct {
		payload int
		want    []string
	}{
		{most - ofJob, nil},
		{most - ofJob + 1, []string{job}},
		{most - ofPod, []string{job}},
		{most - ofPod + 1, []string{job, pod}},
		{3 * most, []string{job, pod}},
	} {
		spec := jobWithArgs()
		spec.Annotations = map[string]string{"first": "x", "b": "{{ .Payload }}"}
		spec.Spec.Template.Annotations = spec.Annotations
		template, execution := templateOf(spec), &dispatcherv1alpha1.JobExecution{}
		execution.Spec.Payload = strings.Repeat("a", test.payload)
		_, rendered := NewDirect(1).Job(t.Context(), template, execution)
		rendering := Rendered{Text: execution.Spec.Payload}
		_, assembled, err := Assemble(template, execution, []Rendered{rendering, rendering})
		if err != nil {
			t.Fatal(err)
		}
		for _, errs := range []field.ErrorList{rendered, assembled} {
			var fields []string
			for _, err := range errs {
				fields = append(fields, err.Field)
				if err.Type != field.ErrorTypeTooLong || len(err.Error()) > 300 {
					t.Errorf("%d bytes: %.400v", test.payload, err)
				}
			}
			if strings.Join(fields, " ") != strings.Join(test.want, " ") {
				t.Errorf("%d bytes: errors at %v, want %v", test.payload, fields, test.want)
			}
		}
	}
}
