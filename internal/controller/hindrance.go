package controller

import (
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// hindrance is what keeps a pod from starting until somebody does something about it.
type hindrance struct {
	reason    string // One of hindranceReasons.
	pod       string
	container string // Empty where the pod as a whole is held up.
	detail    string // The scheduler's or the kubelet's own words.
	since     metav1.Time
}

// hindranceReasons are the reasons of an execution whose pods are held up.
var hindranceReasons = []string{
	dispatcherv1alpha1.ReasonUnschedulable,
	dispatcherv1alpha1.ReasonImagePullBackOff,
	dispatcherv1alpha1.ReasonCreateContainerConfigError,
	dispatcherv1alpha1.ReasonCreateContainerError,
}

// waitingReasons maps what the kubelet gives as the reason of a container that waits (pkg/kubelet/images and
// pkg/kubelet/kuberuntime). It goes from one to another with each try: those of one cause are one reason. What is not
// here, like ContainerCreating, passes by itself.
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

// hindranceOf returns what keeps the pod from starting, or nil.
func hindranceOf(pod *corev1.Pod) *hindrance {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return &hindrance{reason: dispatcherv1alpha1.ReasonUnschedulable, pod: pod.Name, detail: condition.Message, since: condition.LastTransitionTime}
		}
	}
	for _, status := range containersOf(pod) {
		if status.State.Waiting == nil {
			continue
		}
		if reason, ok := waitingReasons[status.State.Waiting.Reason]; ok {
			return &hindrance{reason: reason, pod: pod.Name, container: status.Name, detail: status.State.Waiting.Message, since: pod.CreationTimestamp}
		}
	}
	return nil
}

// isHeldUp says whether the execution waits since its pods are held up.
func isHeldUp(execution *dispatcherv1alpha1.JobExecution) bool {
	now := summaryOf(execution.Status.Conditions)
	return now.Status == metav1.ConditionUnknown && isHindrance(now.Reason)
}

func isHindrance(reason string) bool { return slices.Contains(hindranceReasons, reason) }

// subject begins the message. While it stays the same, so does the message: the scheduler counts nodes anew all the
// time, and the kubelet words each try in its own way, which is no news.
func (h *hindrance) subject() string {
	if h.container == "" {
		return fmt.Sprintf("pod %s", h.pod)
	}
	return fmt.Sprintf("container %s of pod %s", h.container, h.pod)
}

// message says what holds up the execution and what to do about it.
func (h *hindrance) message(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) string {
	if now := summaryOf(execution.Status.Conditions); now.Reason == h.reason && strings.HasPrefix(now.Message, h.subject()+" ") {
		return now.Message
	}
	template := execution.Spec.JobTemplateName
	again := fmt.Sprintf("correct JobTemplate %s, cancel this JobExecution and create another", template)
	what, then := "cannot be created", again
	switch h.reason {
	case dispatcherv1alpha1.ReasonUnschedulable:
		what = "cannot be scheduled"
		then = fmt.Sprintf("it starts as soon as a node suits it; see `kubectl -n %s describe pod %s`", job.Namespace, h.pod)
	case dispatcherv1alpha1.ReasonImagePullBackOff:
		what = "has an image that cannot be pulled"
		then = "it is tried again; if the image or its pull secret is wrong, " + again
	case dispatcherv1alpha1.ReasonCreateContainerConfigError:
		what = "cannot be configured"
		then = "create what is missing, or " + again
	}
	detail := h.detail
	if detail == "" {
		detail = "no reason is given"
	}
	return fmt.Sprintf("%s %s: %s; %s", h.subject(), what, bounded(detail), then)
}

// containersOf returns the statuses of init containers and containers, in this order.
func containersOf(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}
