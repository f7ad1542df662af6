package render

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// jobWithArgs returns a jobTemplate whose container has args.
func jobWithArgs(args ...string) *batchv1.JobTemplateSpec {
	return &batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "main", Image: "alpine", Args: args}},
	}}}}
}

// jobWithAnnotation returns a jobTemplate with an annotation a, which is rendered and not escaped.
func jobWithAnnotation(text string) *batchv1.JobTemplateSpec {
	spec := jobWithArgs()
	spec.Annotations = map[string]string{"a": text}
	return spec
}

// testData returns the data that tests render with.
func testData(payload string) renderData {
	return renderData{
		Name:      "run-1",
		Namespace: "jobs",
		Payload:   payload,
		JobTemplate: templateData{
			Name:        "example",
			Labels:      map[string]string{"team": "blue"},
			Annotations: map[string]string{"note": "hello"},
		},
	}
}

// renderArg compiles template as a container's argument and renders it.
func renderArg(t testing.TB, template, payload string) (string, field.ErrorList) {
	t.Helper()
	program, errs := compile(jobWithArgs(template))
	if len(errs) > 0 {
		return "", errs
	}
	rendered, errs := program.render(t.Context(), testData(payload), program.fieldErrors)
	if len(errs) > 0 {
		return "", errs
	}
	return rendered.Spec.Template.Spec.Containers[0].Args[0], nil
}

// detail returns the messages of errs.
func detail(errs field.ErrorList) string {
	var details []string
	for _, err := range errs {
		details = append(details, err.Detail)
	}
	return strings.Join(details, "\n")
}

// templateOf returns a JobTemplate that holds spec.
func templateOf(spec *batchv1.JobTemplateSpec) *dispatcherv1alpha1.JobTemplate {
	return &dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "example", Namespace: "jobs", UID: "5f1f6d64", Generation: 1},
		Spec:       dispatcherv1alpha1.JobTemplateSpec{JobTemplate: *spec},
	}
}
