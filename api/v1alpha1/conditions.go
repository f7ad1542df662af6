package v1alpha1

// Condition types of a JobExecution. They are written together: exactly one of them is True while the execution is
// not finished. Once it is finished, Waiting and Running are False.
const (
	// ConditionWaiting is True while the Job does not run: it could not be created yet, or is suspended, or has not
	// started, or its pods cannot start.
	ConditionWaiting = "Waiting"

	// ConditionRunning is True from the first active pod of the Job until the Job finishes or is suspended, also
	// between two attempts. As in the status of a Job, a pending pod is active, unless the scheduler, the kubelet or an
	// event reports that it cannot start. If the JobTemplate has startDeadlineSeconds, it is True from the start of the
	// first pod.
	ConditionRunning = "Running"

	// ConditionSucceeded is the summary: Unknown until the execution finishes, then True or False. `kubectl wait
	// --for=condition=Succeeded` waits for it.
	ConditionSucceeded = "Succeeded"
)

// Condition types that tools know, of JobExecutions and JobTemplates: kstatus, which Flux, Helm and others use, reads
// them. See https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus.
const (
	// ConditionReconciling is True until an execution finishes, and is then removed.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is True on an execution that failed, and on a template that is not ready and does not become so
	// by itself. Otherwise it is not set.
	ConditionStalled = "Stalled"

	// ConditionReady is True on a JobTemplate that Dispatcher would accept today.
	ConditionReady = "Ready"
)

// Reasons of the condition Ready of a JobTemplate. ReasonRenderFailed, ReasonJobInvalid and ReasonJobForbidden are
// reasons of it, too.
const (
	// ReasonAccepted: the template renders, and the API server would create its Job.
	ReasonAccepted = "Accepted"
)

// Reasons of an execution that is not finished. Succeeded is Unknown, with the reason of the condition that is True.
const (
	// ReasonWaiting: the Job has not been created yet, or has not started. The message says why.
	ReasonWaiting = "Waiting"

	// ReasonSuspended: spec.suspend of the Job is true. The Job starts when it is set to false.
	ReasonSuspended = "Suspended"

	// ReasonJobForbidden: the API server does not allow the Job to be created now, for example because a quota is
	// exhausted. The controller tries again, at growing intervals.
	ReasonJobForbidden = "JobForbidden"

	// ReasonPodsForbidden: the API server does not allow the pods of the Job to be created, for example because a
	// service account is missing, or because of a quota or Pod Security. The Job controller keeps trying.
	ReasonPodsForbidden = "PodsForbidden"

	// ReasonFailedMount: the kubelet cannot mount a volume, for example because its Secret or PersistentVolumeClaim does
	// not exist. It keeps trying.
	ReasonFailedMount = "FailedMount"

	// ReasonPodNotStarted: a pod has not started for another cause, which a Warning event of the pod tells, for example
	// that its network cannot be set up.
	ReasonPodNotStarted = "PodNotStarted"

	// ReasonUnschedulable: the scheduler finds no node for the pods of the Job. It keeps trying.
	ReasonUnschedulable = "Unschedulable"

	// ReasonImagePullBackOff: the kubelet cannot get an image of the pods, for whatever reason. It keeps trying.
	ReasonImagePullBackOff = "ImagePullBackOff"

	// ReasonCreateContainerConfigError: a container refers to an object that does not exist, for example a Secret or
	// a ConfigMap. The kubelet keeps trying.
	ReasonCreateContainerConfigError = "CreateContainerConfigError"

	// ReasonCreateContainerError: the container runtime cannot create or start a container. The kubelet keeps trying.
	ReasonCreateContainerError = "CreateContainerError"

	// ReasonRunning: the Job runs.
	ReasonRunning = "Running"
)

// Reasons of a finished execution. A Job that failed for a reason of its own, such as BackoffLimitExceeded,
// DeadlineExceeded, PodFailurePolicy or FailedIndexes (see k8s.io/api/batch/v1), passes that reason on.
const (
	// ReasonSucceeded: the Job completed.
	ReasonSucceeded = "Succeeded"

	// ReasonJobFailed: the Job failed and gave no reason.
	ReasonJobFailed = "JobFailed"

	// ReasonJobTemplateNotFound: the template was deleted between admission and the creation of the Job.
	ReasonJobTemplateNotFound = "JobTemplateNotFound"

	// ReasonRenderFailed: the template, which was changed after admission, does not render with this payload.
	ReasonRenderFailed = "RenderFailed"

	// ReasonJobInvalid: the API server refused the rendered Job as invalid, or as too large to be stored.
	ReasonJobInvalid = "JobInvalid"

	// ReasonJobNameConflict: a Job of the rendered name exists and belongs to something else.
	ReasonJobNameConflict = "JobNameConflict"

	// ReasonJobDeleted: the Job was deleted before it finished.
	ReasonJobDeleted = "JobDeleted"

	// ReasonStartDeadlineExceeded: no pod of the Job started within startDeadlineSeconds of the template. The Job is
	// deleted.
	ReasonStartDeadlineExceeded = "StartDeadlineExceeded"

	// ReasonCanceled: spec.canceled was set before the Job finished. The Job and its pods are deleted.
	ReasonCanceled = "Canceled"
)
