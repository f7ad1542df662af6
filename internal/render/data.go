package render

import (
	"maps"

	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// renderData is what a template sees as its dot.
type renderData struct {
	// Name of the execution.
	Name string
	// Namespace of the execution, of the template and of the Job.
	Namespace string
	// Payload as it was sent.
	Payload string
	// Caller of the execution, empty where none was recorded.
	Caller callerData
	// JobTemplate is the template itself.
	JobTemplate templateData
}

// callerData is what a template sees of who created the execution.
type callerData struct{ Username, Via string }

// templateData is what a template sees of the JobTemplate that holds it.
type templateData struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
}

// values is renderData as templates see it. Labels and annotations are dictionaries like all others there, so that the
// functions for dictionaries take them, and copies, since `set` changes its argument. Caller is one so that its fields
// are missing where no caller was recorded, and not empty.
type values struct {
	Name, Namespace, Payload string
	Caller                   map[string]any
	JobTemplate              struct {
		Name                string
		Labels, Annotations map[string]any
	}
}

func (d renderData) values() values {
	v := values{Name: d.Name, Namespace: d.Namespace, Payload: d.Payload, Caller: map[string]any{}}
	if d.Caller != (callerData{}) {
		v.Caller["Username"], v.Caller["Via"] = d.Caller.Username, d.Caller.Via
	}
	v.JobTemplate.Name = d.JobTemplate.Name
	v.JobTemplate.Labels = dictionary(d.JobTemplate.Labels)
	v.JobTemplate.Annotations = dictionary(d.JobTemplate.Annotations)
	return v
}

func dictionary(m map[string]string) map[string]any {
	dict := make(map[string]any, len(m))
	for key, value := range m {
		dict[key] = value
	}
	return dict
}

// newData returns the data for execution, of which it reads the name, the payload and the caller.
func newData(
	template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) renderData {
	caller := callerData{}
	if c := execution.Spec.Caller; c != nil {
		caller = callerData{Username: c.Username, Via: string(c.Via)}
	}
	return renderData{
		Name:      execution.Name,
		Namespace: template.Namespace,
		Payload:   execution.Spec.Payload,
		Caller:    caller,
		JobTemplate: templateData{
			Name:        template.Name,
			Labels:      template.Labels,
			Annotations: VisibleAnnotations(template),
		},
	}
}

// VisibleAnnotations returns the annotations that templates can use: all except the one in which `kubectl apply`
// keeps the last manifest. It changes with each apply, also where nothing else does.
func VisibleAnnotations(template *dispatcherv1alpha1.JobTemplate) map[string]string {
	if _, found := template.Annotations[corev1.LastAppliedConfigAnnotation]; !found {
		return template.Annotations
	}
	visible := maps.Clone(template.Annotations)
	delete(visible, corev1.LastAppliedConfigAnnotation)
	return visible
}
