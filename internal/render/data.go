package render

import dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"

// Data is what a template sees as its dot.
type Data struct {
	// Name of the execution.
	Name string
	// Namespace of the execution, of the template and of the Job.
	Namespace string
	// Payload as it was sent.
	Payload string
	// JobTemplate is the template itself.
	JobTemplate TemplateData
}

// TemplateData is what a template sees of the JobTemplate that holds it.
type TemplateData struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
}

// NewData returns the data for an execution of template that is called name and carries payload.
func NewData(template *dispatcherv1alpha1.JobTemplate, name, payload string) Data {
	return Data{
		Name:      name,
		Namespace: template.Namespace,
		Payload:   payload,
		JobTemplate: TemplateData{
			Name:        template.Name,
			Labels:      template.Labels,
			Annotations: template.Annotations,
		},
	}
}
