package httpapi

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// containerRun is one run of a container. When its pod starts the container again, that is another.
type containerRun struct {
	pod       *corev1.Pod
	container string
	id        string
}

// next returns the run of a pod whose log is to be written, or false if there is none yet.
func (l *podLogs) next(pod *corev1.Pod) (containerRun, bool) {
	name := l.asked.container
	if name == "" {
		name = containerToShow(pod, l.execution, l.asked.follow && !l.over && !hasEnded(pod))
		if usual := defaultContainer(pod); l.shown[pod.UID] == usual {
			name = usual // Whoever follows a container stays with it, even if another one fails afterwards.
		}
	}
	id := l.runID(statusOf(pod, name))
	return containerRun{pod: pod, container: name, id: string(pod.UID) + "/" + id}, id != ""
}

// runID returns the id of the run whose log was asked for, or "" if there is none.
func (l *podLogs) runID(status corev1.ContainerStatus) string {
	if !l.asked.previous {
		return status.ContainerID
	}
	if ended := status.LastTerminationState.Terminated; ended != nil {
		return ended.ContainerID
	}
	return ""
}

// containerToShow returns the container of a pod whose log tells most about the execution: the one that status.result
// names; in a pod that has failed, one that failed; the one that kubectl would take. If that one has not started, it is
// one that failed, or the first that ran. A caller who follows the log waits for it instead of the first that ran.
func containerToShow(pod *corev1.Pod, execution *dispatcherv1alpha1.JobExecution, awaited bool) string {
	if name := containerOfResult(pod, execution); name != "" {
		return name
	}
	usual := defaultContainer(pod)
	failed := firstOf(pod, hasFailed)
	started := hasStarted(statusOf(pod, usual))
	switch {
	case pod.Status.Phase == corev1.PodFailed && failed != "" && !hasFailed(statusOf(pod, usual)):
		return failed
	case started:
		return usual
	case failed != "":
		return failed
	case !awaited:
		if ran := firstOf(pod, hasStarted); ran != "" {
			return ran
		}
	}
	return usual
}

// containerOfResult returns the container of the pod that status.result names, or "". Of a success, any container would
// do: it counts if it left a message, and the pod names no container for its logs.
func containerOfResult(pod *corev1.Pod, execution *dispatcherv1alpha1.JobExecution) string {
	result := execution.Status.Result
	if result == nil || result.Pod != pod.Name || !slices.Contains(containerNames(pod), result.Container) {
		return ""
	}
	succeeded := result.ExitCode != nil && *result.ExitCode == 0
	if succeeded && (result.Message == "" || annotatedContainer(pod) != "") {
		return ""
	}
	return result.Container
}

// defaultContainer returns the container that kubectl would take.
func defaultContainer(pod *corev1.Pod) string {
	if name := annotatedContainer(pod); name != "" {
		return name
	}
	return containerNames(pod)[0]
}

func annotatedContainer(pod *corev1.Pod) string {
	if name := pod.Annotations[store.DefaultContainerAnnotation]; slices.Contains(containerNames(pod), name) {
		return name
	}
	return ""
}

// containerNames are those of a pod, its containers first.
func containerNames(pod *corev1.Pod) []string {
	var names []string
	for _, container := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		names = append(names, container.Name)
	}
	for _, container := range pod.Spec.EphemeralContainers {
		names = append(names, container.Name)
	}
	return names
}

// firstOf returns the first container for which is returns true, in the order in which they are started, but sidecars
// last: a sidecar is stopped, and may fail then, because of the others.
func firstOf(pod *corev1.Pod, is func(corev1.ContainerStatus) bool) string {
	isSidecar := func(c corev1.Container) bool {
		return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	}
	var order, sidecars []string
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if isSidecar(container) {
			sidecars = append(sidecars, container.Name)
			continue
		}
		order = append(order, container.Name)
	}
	for _, name := range slices.Concat(order, sidecars) {
		if is(statusOf(pod, name)) {
			return name
		}
	}
	return ""
}

func statusOf(pod *corev1.Pod, container string) corev1.ContainerStatus {
	statuses := slices.Concat(
		pod.Status.ContainerStatuses,
		pod.Status.InitContainerStatuses,
		pod.Status.EphemeralContainerStatuses,
	)
	for _, status := range statuses {
		if status.Name == container {
			return status
		}
	}
	return corev1.ContainerStatus{}
}

// hasStarted tells whether a container runs or has run, so that it has a log.
func hasStarted(status corev1.ContainerStatus) bool { return status.ContainerID != "" }

// hasFailed tells whether a container has ended with an error, and has not succeeded since.
func hasFailed(status corev1.ContainerStatus) bool {
	ended := status.State.Terminated
	if ended == nil {
		ended = status.LastTerminationState.Terminated
	}
	return hasStarted(status) && ended != nil && ended.ExitCode != 0
}
