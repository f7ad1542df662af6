package v1alpha1

import (
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// JobTemplateSpec is a Job to be run on demand, and what its executions have in common.
type JobTemplateSpec struct {
	// JobTemplate is the Job, in the syntax of a CronJob's jobTemplate. Every string value in it is a Go template with
	// the sprig functions: fields, list items and map values, but not map keys. Templates see .Name and .Namespace of
	// the execution, its .Payload (a string), and .JobTemplate.Name, .JobTemplate.Labels and .JobTemplate.Annotations.
	// +required
	JobTemplate batchv1.JobTemplateSpec `json:"jobTemplate"`

	// SamplePayload is a payload that this template accepts. A template is tried before it is stored: with this payload
	// where it is given, else with a few synthetic ones, of which one must do. At most 1 MiB.
	// +kubebuilder:validation:MaxLength=1048576
	// +optional
	SamplePayload *string `json:"samplePayload,omitempty"`

	// TTLSecondsAfterFinished says for how many seconds a finished execution is kept, together with its Job. It is
	// copied to each execution that does not set its own. Without it, an execution is kept until its finished Job is
	// removed, by the Job's own ttlSecondsAfterFinished or by hand.
	// +kubebuilder:validation:Minimum=0
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// JobTemplate is a stored Job that is run on demand, by a JobExecution that names it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=jt,categories=dispatcher
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.jobTemplate.spec.template.spec.containers[*].image`
// +kubebuilder:printcolumn:name="TTL",type=integer,JSONPath=`.spec.ttlSecondsAfterFinished`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must be at most 63 characters: it is the value of a label on every execution, Job and pod"
type JobTemplate struct {
	metav1.TypeMeta `json:",inline"`

	// Standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the Job to run.
	// +required
	Spec JobTemplateSpec `json:"spec"`
}

// JobTemplateList is a list of JobTemplates.
//
// +kubebuilder:object:root=true
type JobTemplateList struct {
	metav1.TypeMeta `json:",inline"`

	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the JobTemplates.
	Items []JobTemplate `json:"items"`
}
