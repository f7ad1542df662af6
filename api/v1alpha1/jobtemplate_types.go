package v1alpha1

import (
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// JobTemplateSpec is a Job to run on demand, with settings for its JobExecutions.
type JobTemplateSpec struct {
	// jobTemplate is the Job. It has the fields of a CronJob's jobTemplate. Every string in it is a Go template with
	// most sprig functions: fields, list items and map values, but not map keys. Templates can use .Name, .Namespace
	// and .Payload of the JobExecution, and .JobTemplate.Name, .JobTemplate.Labels and .JobTemplate.Annotations.
	// +required
	JobTemplate batchv1.JobTemplateSpec `json:"jobTemplate"`

	// samplePayload is a payload that this JobTemplate accepts, of at most 1 MiB. A JobTemplate is tried before it is
	// stored: with samplePayload if it is set, else with the payloads text, empty, {} and []. One of them must
	// be accepted.
	// +kubebuilder:validation:MaxLength=1048576
	// +optional
	SamplePayload *string `json:"samplePayload,omitempty"`

	// ttlSecondsAfterFinished is the number of seconds after which a finished JobExecution and its Job are deleted.
	// It is copied to each JobExecution that does not set its own. If neither sets it, a JobExecution is kept until
	// its finished Job is deleted, by the Job's own ttlSecondsAfterFinished or by hand.
	// +kubebuilder:validation:Minimum=0
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// JobTemplate is a Job that is stored to be run on demand. To run it, create a JobExecution that names it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=jt,categories=dispatcher
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.jobTemplate.spec.template.spec.containers[*].image`
// +kubebuilder:printcolumn:name="TTL",type=integer,JSONPath=`.spec.ttlSecondsAfterFinished`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",fieldPath=".metadata.name",message="must be at most 63 characters: it is the value of a label on every execution, Job and pod"
type JobTemplate struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the Job to run.
	// +required
	Spec JobTemplateSpec `json:"spec"`
}

// JobTemplateList is a list of JobTemplates.
//
// +kubebuilder:object:root=true
type JobTemplateList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the JobTemplates.
	Items []JobTemplate `json:"items"`
}
