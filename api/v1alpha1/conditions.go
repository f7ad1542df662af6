package v1alpha1

// Condition types of a JobExecution. All three are written together, so that exactly one of them is True while the
// execution goes on, and at the end Waiting and Running are False.
const (
	// ConditionWaiting is True while the Job does not run: it is suspended, or was not started yet, or could not be
	// created yet, or something keeps its pods from starting.
	ConditionWaiting = "Waiting"

	// ConditionRunning is True from the Job's first active pod on, until the Job finishes or is suspended. As in a Job's
	// own status, a pod that is still pending counts as active, unless the scheduler or the kubelet says that it cannot
	// start. Between two tries of a pod it stays True.
	ConditionRunning = "Running"

	// ConditionSucceeded is the summary: Unknown until the end, then True or False. `kubectl wait
	// --for=condition=Succeeded` waits for it.
	ConditionSucceeded = "Succeeded"
)

// Reasons of an execution that goes on. Succeeded is Unknown with the reason of the condition that is True.
const (
	// ReasonWaiting: the Job was not started yet, or could not be created yet; the message says what it waits for.
	ReasonWaiting = "Waiting"

	// ReasonSuspended: the Job's spec.suspend is true; it starts when that is set to false.
	ReasonSuspended = "Suspended"

	// ReasonJobForbidden: the API server does not let the Job be created now, for example because a quota is
	// exhausted. The controller tries again, at growing intervals.
	ReasonJobForbidden = "JobForbidden"

	// ReasonUnschedulable: the Job was started, and the scheduler finds no node for its pods. It goes on trying.
	ReasonUnschedulable = "Unschedulable"

	// ReasonImagePullBackOff: the Job was started, and the kubelet cannot get an image of its pods, for whatever reason: it
	// cannot be pulled, may not be, or its name is no name of an image. The kubelet goes on trying.
	ReasonImagePullBackOff = "ImagePullBackOff"

	// ReasonCreateContainerConfigError: the Job was started, and what a container of its pods refers to, like a Secret or a
	// ConfigMap, does not exist. The kubelet goes on trying.
	ReasonCreateContainerConfigError = "CreateContainerConfigError"

	// ReasonCreateContainerError: the Job was started, and the container runtime cannot create or start a container of its
	// pods. The kubelet goes on trying.
	ReasonCreateContainerError = "CreateContainerError"

	// ReasonRunning: the Job was started.
	ReasonRunning = "Running"
)

// Reasons of an execution that ended. A Job that failed gives its own reason where it has one, like
// BackoffLimitExceeded, DeadlineExceeded, PodFailurePolicy or FailedIndexes (see k8s.io/api/batch/v1).
const (
	// ReasonSucceeded: the Job completed.
	ReasonSucceeded = "Succeeded"

	// ReasonJobFailed: the Job failed and did not say why.
	ReasonJobFailed = "JobFailed"

	// ReasonJobTemplateNotFound: the template was deleted between admission and the creation of the Job.
	ReasonJobTemplateNotFound = "JobTemplateNotFound"

	// ReasonRenderFailed: the template does not render with this payload: it was changed after admission.
	ReasonRenderFailed = "RenderFailed"

	// ReasonJobInvalid: the API server refused the rendered Job as invalid, or as too large to be stored.
	ReasonJobInvalid = "JobInvalid"

	// ReasonJobNameConflict: a Job of the rendered name exists and belongs to something else.
	ReasonJobNameConflict = "JobNameConflict"

	// ReasonJobDeleted: the Job was deleted before it finished.
	ReasonJobDeleted = "JobDeleted"

	// ReasonCanceled: spec.canceled was set before the Job finished. The Job and its pods are removed.
	ReasonCanceled = "Canceled"
)
