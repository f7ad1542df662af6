package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// JobExecutionSpec says what to run, and with what. Nothing of it can be changed but canceled: to run something else, create
// another execution.
//
// The rule for the payload stands here and not at its field, since the API server's message would quote all of the payload.
//
// +kubebuilder:validation:XValidation:rule="!has(self.payload) || bytes(self.payload).size() <= 1048576",fieldPath=".payload",message="must be at most 1048576 bytes"
type JobExecutionSpec struct {
	// JobTemplateName names the JobTemplate to run, in the namespace of the execution.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +required
	JobTemplateName string `json:"jobTemplateName"`

	// Payload is handed to the template as .Payload. Any UTF-8 text of at most 1 MiB.
	// +kubebuilder:validation:MaxLength=1048576
	// +optional
	Payload string `json:"payload,omitempty"`

	// TTLSecondsAfterFinished says for how many seconds this execution is kept after it finished, together with its
	// Job. Where it is not set, the template's own is filled in at creation.
	// +kubebuilder:validation:Minimum=0
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// Canceled stops the execution when it is set to true: its Job and pods are removed, and the execution stays as the
	// record, with Succeeded=False and the reason Canceled. It is the one field of the spec that can change, and it
	// cannot be taken back. An execution that has finished already is not affected.
	// +optional
	Canceled bool `json:"canceled,omitempty"`
}

// JobExecutionStatus says what became of an execution.
type JobExecutionStatus struct {
	// Conditions are Waiting, Running and Succeeded. Succeeded is the summary: Unknown until the end, then True or
	// False. Until the first status is written, the API server fills in a Succeeded that is Unknown.
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Job is the Job of this execution. It may be gone already, by its TTL or by hand.
	// +optional
	Job *JobReference `json:"job,omitempty"`

	// JobName is the name that the Job of this execution is given, where the template names it. It is written before
	// the Job is made, since the template may give another name each time: so there is one Job, whoever makes it.
	// +optional
	JobName string `json:"jobName,omitempty"`

	// JobTemplate is the state of the template that was run.
	// +optional
	JobTemplate *JobTemplateReference `json:"jobTemplate,omitempty"`

	// StartTime is when the Job was started.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// CompletionTime is when the execution ended, well or not. The execution's TTL counts from here.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// Duration is the time from start to completion, like "1m30s". It is set at the end, for an execution whose Job was
	// started.
	// +optional
	Duration *metav1.Duration `json:"duration,omitempty"`

	// Result tells what the pods of the Job had to say at the end: of a failure, the container that failed. It is taken
	// once, when the execution finishes, and is left out where no pod was seen.
	// +optional
	Result *JobExecutionResult `json:"result,omitempty"`

	// ObservedGeneration is the metadata.generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// JobReference points to the Job of an execution, in the same namespace.
type JobReference struct {
	// APIVersion of the Job: batch/v1.
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind of the Job: Job.
	// +required
	Kind string `json:"kind"`

	// Name of the Job.
	// +required
	Name string `json:"name"`

	// UID of the Job.
	// +required
	UID types.UID `json:"uid"`
}

// JobExecutionResult is how one container of an execution ended, or why it never started.
type JobExecutionResult struct {
	// Pod is the name of the pod, in the execution's namespace. It may be gone already.
	// +required
	Pod string `json:"pod"`

	// Container is the name of the container, or of the init container. It is left out where the pod as a whole failed,
	// for example because no node had room for it.
	// +optional
	Container string `json:"container,omitempty"`

	// ExitCode of the container, left out where it never ran. 128 and the signal's number where a signal ended it.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`

	// Reason is the kubelet's word for it, like Completed, Error, OOMKilled, ImagePullBackOff or DeadlineExceeded.
	// +optional
	Reason string `json:"reason,omitempty"`

	// Message is the container's termination message (by default what it wrote to /dev/termination-log), or else what
	// the kubelet says of the reason. At most 4096 bytes, the kubelet's own limit.
	// +optional
	Message string `json:"message,omitempty"`
}

// JobTemplateReference tells one state of a JobTemplate from every other. The template's name is in the spec.
type JobTemplateReference struct {
	// UID of the JobTemplate.
	// +required
	UID types.UID `json:"uid"`

	// Generation of the JobTemplate.
	// +required
	Generation int64 `json:"generation"`
}

// JobExecution is one run of a JobTemplate. It makes exactly one Job, which has its name unless the template says
// otherwise.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=je,categories=dispatcher
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.jobTemplateName`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].reason`
// +kubebuilder:printcolumn:name="Job",type=string,JSONPath=`.status.job.name`
// +kubebuilder:printcolumn:name="Duration",type=string,JSONPath=`.status.duration`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Exit",type=integer,JSONPath=`.status.result.exitCode`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must be at most 63 characters: the Job takes this name"
type JobExecution struct {
	metav1.TypeMeta `json:",inline"`

	// Standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what to run. It is immutable but for canceled.
	// +kubebuilder:validation:XValidation:rule="self.jobTemplateName == oldSelf.jobTemplateName && has(self.payload) == has(oldSelf.payload) && (!has(self.payload) || self.payload == oldSelf.payload) && has(self.ttlSecondsAfterFinished) == has(oldSelf.ttlSecondsAfterFinished) && (!has(self.ttlSecondsAfterFinished) || self.ttlSecondsAfterFinished == oldSelf.ttlSecondsAfterFinished)",message="is immutable but for canceled: create another JobExecution instead"
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.canceled) || !oldSelf.canceled || (has(self.canceled) && self.canceled)",fieldPath=".canceled",message="cannot be taken back: create another JobExecution instead"
	// +required
	Spec JobExecutionSpec `json:"spec"`

	// Status says what became of it.
	// +kubebuilder:default={conditions: {{type: "Succeeded", status: "Unknown", reason: "Waiting", message: "waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	// +optional
	Status JobExecutionStatus `json:"status,omitempty"`
}

// Summary returns the Succeeded condition, or an empty one.
func (e *JobExecution) Summary() metav1.Condition {
	for _, condition := range e.Status.Conditions {
		if condition.Type == ConditionSucceeded {
			return condition
		}
	}
	return metav1.Condition{}
}

// IsFinished says whether the execution has come to its end: Succeeded is True or False. Nothing starts it again.
func (e *JobExecution) IsFinished() bool {
	status := e.Summary().Status
	return status == metav1.ConditionTrue || status == metav1.ConditionFalse
}

// JobExecutionList is a list of JobExecutions.
//
// +kubebuilder:object:root=true
type JobExecutionList struct {
	metav1.TypeMeta `json:",inline"`

	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the JobExecutions.
	Items []JobExecution `json:"items"`
}
