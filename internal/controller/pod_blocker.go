package controller

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// podBlocker is a problem that keeps a pod from starting until somebody solves it.
type podBlocker struct {
	reason    string // One of podBlockerReasons.
	pod       string // Empty if the Job has no pod.
	container string // Empty if the whole pod is blocked.
	detail    string // The message of the scheduler, the kubelet or the Job controller.
	since     metav1.Time

	// fromEvents says that events tell of the problem, and not the status of the pod.
	fromEvents bool
}

// podBlockerReasons are the reasons of an execution whose pods are blocked.
var podBlockerReasons = []string{
	dispatcherv1alpha1.ReasonPodsForbidden,
	dispatcherv1alpha1.ReasonFailedMount,
	dispatcherv1alpha1.ReasonPodNotStarted,
	dispatcherv1alpha1.ReasonUnschedulable,
	dispatcherv1alpha1.ReasonImagePullBackOff,
	dispatcherv1alpha1.ReasonCreateContainerConfigError,
	dispatcherv1alpha1.ReasonCreateContainerError,
}

// waitingReasons maps the kubelet's reasons of a waiting container (pkg/kubelet/images and pkg/kubelet/kuberuntime) to
// ours. The kubelet alternates between several reasons while it retries, so that reasons with one cause are mapped to
// one. Those that pass by themselves, like ContainerCreating, are left out.
var waitingReasons = map[string]string{
	"ErrImagePull":               dispatcherv1alpha1.ReasonImagePullBackOff,
	"ImagePullBackOff":           dispatcherv1alpha1.ReasonImagePullBackOff,
	"ErrImageNeverPull":          dispatcherv1alpha1.ReasonImagePullBackOff,
	"InvalidImageName":           dispatcherv1alpha1.ReasonImagePullBackOff,
	"ImageInspectError":          dispatcherv1alpha1.ReasonImagePullBackOff,
	"RegistryUnavailable":        dispatcherv1alpha1.ReasonImagePullBackOff,
	"SignatureValidationFailed":  dispatcherv1alpha1.ReasonImagePullBackOff,
	"CreateContainerConfigError": dispatcherv1alpha1.ReasonCreateContainerConfigError,
	"CreateContainerError":       dispatcherv1alpha1.ReasonCreateContainerError,
	"PreCreateHookError":         dispatcherv1alpha1.ReasonCreateContainerError,
	"PreStartHookError":          dispatcherv1alpha1.ReasonCreateContainerError,
	"RunContainerError":          dispatcherv1alpha1.ReasonCreateContainerError,
}

// podBlockerOf returns the problem that keeps the pod from starting, or nil. It looks at the status of the pod only.
func podBlockerOf(pod *corev1.Pod) *podBlocker {
	if condition := podCondition(pod, corev1.PodScheduled); condition.Status == corev1.ConditionFalse {
		return &podBlocker{
			reason: dispatcherv1alpha1.ReasonUnschedulable,
			pod:    pod.Name,
			detail: condition.Message,
			since:  condition.LastTransitionTime,
		}
	}
	for _, status := range containersOf(pod) {
		if status.State.Waiting == nil {
			continue
		}
		if reason, ok := waitingReasons[status.State.Waiting.Reason]; ok {
			return &podBlocker{
				reason:    reason,
				pod:       pod.Name,
				container: status.Name,
				detail:    status.State.Waiting.Message,
				since:     pod.CreationTimestamp,
			}
		}
	}
	return nil
}

// podCondition returns the condition of the type, or an empty one.
func podCondition(pod *corev1.Pod, conditionType corev1.PodConditionType) corev1.PodCondition {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == conditionType {
			return condition
		}
	}
	return corev1.PodCondition{}
}

// hasStarted says whether a container or an init container of the pod has ever run.
func hasStarted(pod *corev1.Pod) bool {
	for _, status := range containersOf(pod) {
		if status.State.Running != nil || status.State.Terminated != nil || status.LastTerminationState.Terminated != nil {
			return true
		}
	}
	return pod.Status.Phase == corev1.PodRunning || pod.Status.Phase == corev1.PodSucceeded
}

// podsBlocked says whether the execution waits because its pods are blocked.
func podsBlocked(execution *dispatcherv1alpha1.JobExecution) bool {
	now := execution.Summary()
	return now.Status == metav1.ConditionUnknown && isPodBlocker(now.Reason)
}

func isPodBlocker(reason string) bool { return slices.Contains(podBlockerReasons, reason) }

// subject is the beginning of the message. The message is kept while its subject stays the same: the scheduler's count
// of nodes and the kubelet's wording change with each retry.
func (b *podBlocker) subject(job *batchv1.Job) string {
	switch {
	case b.pod == "":
		return fmt.Sprintf("Job %s", job.Name)
	case b.container == "":
		return fmt.Sprintf("pod %s", b.pod)
	}
	return fmt.Sprintf("container %s of pod %s", b.container, b.pod)
}

// message says what blocks the pods and what to do about it.
func (b *podBlocker) message(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) string {
	now, subject := execution.Summary(), b.subject(job)
	kept := now.Reason == b.reason && strings.HasPrefix(now.Message, subject+" ")
	if kept && !b.fromEvents {
		return now.Message
	}
	again := fmt.Sprintf("correct JobTemplate %s, then cancel this JobExecution and create another",
		execution.Spec.JobTemplateName)
	what, then := "cannot be created", again
	switch b.reason {
	case dispatcherv1alpha1.ReasonPodsForbidden:
		what = "cannot create its pods"
		then = "it is retried: remove the cause, or " + again
	case dispatcherv1alpha1.ReasonFailedMount:
		what = "cannot mount a volume"
		then = "create what is missing: the pod then starts. Or " + again
	case dispatcherv1alpha1.ReasonPodNotStarted:
		what = "has not started"
		then = fmt.Sprintf("see `kubectl -n %s describe pod %s`", job.Namespace, b.pod)
	case dispatcherv1alpha1.ReasonUnschedulable:
		what = "cannot be scheduled"
		then = fmt.Sprintf("it starts when a node fits; see `kubectl -n %s describe pod %s`", job.Namespace, b.pod)
	case dispatcherv1alpha1.ReasonImagePullBackOff:
		what = "has an image that cannot be pulled"
		then = "the kubelet retries; if the image or its pull secret is wrong, " + again
	case dispatcherv1alpha1.ReasonCreateContainerConfigError:
		what = "cannot be configured"
		then = "create what is missing: the container then starts. Or " + again
	}
	detail := b.detail
	if detail == "" {
		detail = "no reason is given"
	}
	message := fmt.Sprintf("%s %s: %s; %s", subject, what, truncated(detail), then)
	if kept && withoutNumbers(message) == withoutNumbers(now.Message) {
		return now.Message
	}
	return message
}

// numbers are what differs in the messages of one problem: counts, times and the ids of sandboxes.
var numbers = regexp.MustCompile(`\b[0-9a-f][0-9a-f-]{7,}\b|[0-9]+`)

func withoutNumbers(message string) string { return numbers.ReplaceAllString(message, "#") }

// containersOf returns the statuses of init containers and containers, in this order.
func containersOf(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}
