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

	// suspend refuses new JobExecutions while it is true, with the reason TemplateSuspended. Those that were accepted
	// before are not affected.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// startDeadlineSeconds is the number of seconds, counted from the creation of a JobExecution, in which its pods have
	// to start. If none has started by then, the JobExecution fails with the reason StartDeadlineExceeded, and its Job
	// is deleted. If it is not set, a JobExecution waits for as long as it takes.
	// +kubebuilder:validation:Minimum=1
	// +optional
	StartDeadlineSeconds *int32 `json:"startDeadlineSeconds,omitempty"`

	// ttlSecondsAfterFinished is the number of seconds after which a finished JobExecution and its Job are deleted.
	// It is copied to each JobExecution that does not set its own. If neither sets it, a JobExecution is kept until
	// its finished Job is deleted, by the Job's own ttlSecondsAfterFinished or by hand.
	// +kubebuilder:validation:Minimum=0
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// JobTemplateStatus tells whether Dispatcher would accept the JobTemplate today. It refuses nobody: JobExecutions of a
// JobTemplate that is not ready are admitted and tried like others.
type JobTemplateStatus struct {
	// conditions are Ready and Stalled. Ready is True if the JobTemplate renders and the API server would create its
	// Job. Stalled is True if it is not ready and only a change of the JobTemplate or of its namespace can help.
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// observedGeneration is the metadata.generation that this status was set for. It is -1 before the first time, so
	// that tools such as Flux wait for that.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// JobTemplate is a Job that is stored to be run on demand. To run it, create a JobExecution that names it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=jt,categories=dispatcher
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.jobTemplate.spec.template.spec.containers[*].image`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Suspend",type=boolean,JSONPath=`.spec.suspend`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
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

	// status tells whether the JobTemplate would be accepted today.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status JobTemplateStatus `json:"status,omitempty"`
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
