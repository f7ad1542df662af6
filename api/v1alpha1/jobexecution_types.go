package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// JobExecutionSpec says which JobTemplate to run and with which payload. All fields are immutable except canceled: to
// run something else, create another JobExecution.
//
// The payload's rule is on the spec because the API server quotes the value of the field that a rule is on.
//
// +kubebuilder:validation:XValidation:rule="!has(self.payload) || bytes(self.payload).size() <= 1048576",fieldPath=".payload",message="must be at most 1048576 bytes"
type JobExecutionSpec struct {
	// jobTemplateName is the name of the JobTemplate to run. It is in the namespace of the JobExecution.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +required
	JobTemplateName string `json:"jobTemplateName"`

	// payload is passed to the JobTemplate as .Payload. It is any UTF-8 text of at most 1 MiB.
	// +kubebuilder:validation:MaxLength=1048576
	// +optional
	Payload string `json:"payload,omitempty"`

	// ttlSecondsAfterFinished is the number of seconds after which the finished JobExecution and its Job are deleted.
	// If it is not set, it is copied from the JobTemplate when the JobExecution is created.
	// +kubebuilder:validation:Minimum=0
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// caller is who created this JobExecution. Dispatcher sets it when the JobExecution is created, and overwrites what
	// anybody else writes there. It cannot be changed.
	// +optional
	Caller *Caller `json:"caller,omitempty"`

	// canceled stops the JobExecution when it is set to true: the Job and its pods are deleted. The JobExecution is
	// kept, with the condition Succeeded=False and the reason Canceled. canceled is the only field of the spec that
	// can be changed, and it cannot be set back to false. It has no effect on a JobExecution that has finished.
	// +optional
	Canceled bool `json:"canceled,omitempty"`
}

// CallerVia is the way in which a JobExecution was created.
//
// +kubebuilder:validation:Enum=HTTP;Kubernetes
type CallerVia string

// The ways to create a JobExecution.
const (
	// CallerViaHTTP: a call of Dispatcher's HTTP API.
	CallerViaHTTP CallerVia = "HTTP"

	// CallerViaKubernetes: the Kubernetes API, for example with kubectl.
	CallerViaKubernetes CallerVia = "Kubernetes"
)

// Caller is who created a JobExecution.
type Caller struct {
	// username is the name by which the API server knows the caller, for example "alice" or
	// "system:serviceaccount:ci:deployer". It is "system:anonymous" for a call of the HTTP API without credentials.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Username string `json:"username"`

	// via is HTTP for a call of Dispatcher's HTTP API, and Kubernetes for a call of the Kubernetes API.
	// +required
	Via CallerVia `json:"via"`
}

// JobExecutionStatus is the observed state of a JobExecution.
type JobExecutionStatus struct {
	// conditions are Waiting, Running and Succeeded. Succeeded is the summary: it is Unknown until the JobExecution
	// finishes, then True or False. A new JobExecution has Succeeded=Unknown. Reconciling and Stalled are for tools:
	// Reconciling is True until the JobExecution finishes, and Stalled is True if it has failed. Before the first status
	// is written, conditions have no lastTransitionTime.
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// job is the Job of this JobExecution. It may have been deleted since.
	// +optional
	Job *JobReference `json:"job,omitempty"`

	// jobName is the name of the Job if the JobTemplate sets one. It is written before the Job is created, because
	// the JobTemplate may render another name the next time. So only one Job is created.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	JobName string `json:"jobName,omitempty"`

	// jobTemplate is the version of the JobTemplate that was run.
	// +optional
	JobTemplate *JobTemplateReference `json:"jobTemplate,omitempty"`

	// startTime is when the Job was started.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// podStartTime is when the first pod of the Job started. It is set only if the JobTemplate has startDeadlineSeconds:
	// that is then met, whatever becomes of the pod.
	// +optional
	PodStartTime *metav1.Time `json:"podStartTime,omitempty"`

	// completionTime is when the JobExecution finished, successfully or not. ttlSecondsAfterFinished counts from
	// here.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// duration is the time from startTime to completionTime, for example "1m30s". It is set when the JobExecution
	// finishes, if its Job was started.
	// +optional
	Duration *metav1.Duration `json:"duration,omitempty"`

	// result is how the container of the Job ended; after a failure, the container that failed. It is set once, when
	// the JobExecution finishes, and only if the Job had a pod.
	// +optional
	Result *JobExecutionResult `json:"result,omitempty"`

	// observedGeneration is the metadata.generation that this status was set for.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// JobReference refers to a Job in the namespace of the JobExecution.
type JobReference struct {
	// apiVersion of the Job: batch/v1.
	// +required
	APIVersion string `json:"apiVersion"`

	// kind of the Job: Job.
	// +required
	Kind string `json:"kind"`

	// name of the Job.
	// +required
	Name string `json:"name"`

	// uid of the Job.
	// +required
	UID types.UID `json:"uid"`
}

// JobExecutionResult is how a container ended, or why it did not start.
type JobExecutionResult struct {
	// pod is the name of the pod, in the namespace of the JobExecution. The pod may have been deleted since.
	// +required
	Pod string `json:"pod"`

	// container is the name of the container or init container. It is not set if the pod as a whole failed, for
	// example because no node had room for it.
	// +optional
	Container string `json:"container,omitempty"`

	// exitCode is the exit code of the container. It is not set if the container did not run. If a signal ended the
	// container, it is 128 plus the number of the signal.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`

	// reason is the kubelet's reason, for example Completed, Error, OOMKilled, ImagePullBackOff or DeadlineExceeded.
	// +optional
	Reason string `json:"reason,omitempty"`

	// message is the termination message of the container (by default, what it wrote to /dev/termination-log).
	// Without one, it is the kubelet's message. It has at most 4096 bytes, which is the kubelet's limit.
	// +optional
	Message string `json:"message,omitempty"`
}

// JobTemplateReference identifies one version of a JobTemplate. The name of the JobTemplate is in the spec.
type JobTemplateReference struct {
	// uid of the JobTemplate.
	// +required
	UID types.UID `json:"uid"`

	// generation of the JobTemplate.
	// +required
	Generation int64 `json:"generation"`
}

// JobExecution is one run of a JobTemplate. Exactly one Job is created for it. The Job has the name of the
// JobExecution unless the JobTemplate sets another one.
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
// +kubebuilder:printcolumn:name="Caller",type=string,JSONPath=`.spec.caller.username`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",fieldPath=".metadata.name",message="must be at most 63 characters: the Job has the same name"
type JobExecution struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what to run. All fields are immutable except canceled.
	// +kubebuilder:validation:XValidation:rule="self.jobTemplateName == oldSelf.jobTemplateName && has(self.payload) == has(oldSelf.payload) && (!has(self.payload) || self.payload == oldSelf.payload) && has(self.ttlSecondsAfterFinished) == has(oldSelf.ttlSecondsAfterFinished) && (!has(self.ttlSecondsAfterFinished) || self.ttlSecondsAfterFinished == oldSelf.ttlSecondsAfterFinished) && has(self.caller) == has(oldSelf.caller) && (!has(self.caller) || self.caller == oldSelf.caller)",message="all fields are immutable except canceled: create another JobExecution instead"
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.canceled) || !oldSelf.canceled || (has(self.canceled) && self.canceled)",fieldPath=".canceled",message="cannot be set back to false: create another JobExecution instead"
	// +required
	Spec JobExecutionSpec `json:"spec"`

	// status is the observed state.
	// +kubebuilder:default={conditions: {{type: "Succeeded", status: "Unknown", reason: "Waiting", message: "waiting for the controller"}, {type: "Reconciling", status: "True", reason: "Waiting", message: "waiting for the controller"}}}
	// +optional
	Status JobExecutionStatus `json:"status,omitempty"`
}

// JobExecutionList is a list of JobExecutions.
//
// +kubebuilder:object:root=true
type JobExecutionList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the JobExecutions.
	Items []JobExecution `json:"items"`
}
