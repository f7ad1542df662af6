package httpapi

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// instance is one run of a container. A container that its pod starts again is another.
type instance struct {
	pod       *corev1.Pod
	container string
	id        string
}

// instanceOf returns the current or the last run of a container of a pod, or false where it has not been started yet.
func instanceOf(pod *corev1.Pod, container string) (instance, bool) {
	if container == "" {
		container = defaultContainer(pod)
	}
	statuses := slices.Concat(
		pod.Status.ContainerStatuses,
		pod.Status.InitContainerStatuses,
		pod.Status.EphemeralContainerStatuses,
	)
	for _, status := range statuses {
		if status.Name == container && status.ContainerID != "" {
			return instance{pod: pod, container: container, id: string(pod.UID) + "/" + status.ContainerID}, true
		}
	}
	return instance{}, false
}

func defaultContainer(pod *corev1.Pod) string {
	names := containerNames(pod)
	if name := pod.Annotations[store.DefaultContainerAnnotation]; slices.Contains(names, name) {
		return name
	}
	return names[0]
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

// hasEnded tells whether nothing of a pod will run any more.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// choose returns the requested pods, or a problem for a pod or a container that does not exist.
func (q logQuery) choose(pods []corev1.Pod) ([]corev1.Pod, error) {
	if q.pod != "" {
		at := slices.IndexFunc(pods, func(pod corev1.Pod) bool { return pod.Name == q.pod })
		switch {
		case len(pods) == 0:
			return nil, logsGone("the execution has no pods")
		case at < 0:
			names := make([]string, 0, len(pods))
			for i := range pods {
				names = append(names, pods[i].Name)
			}
			return nil, refuseParameter(
				"pod",
				fmt.Sprintf("the execution has no pod %q; it has %s", q.pod, strings.Join(names, ", ")),
			)
		}
		pods = pods[at : at+1]
	}
	if q.container != "" && len(pods) > 0 {
		if names := containerNames(&pods[0]); !slices.Contains(names, q.container) {
			return nil, refuseParameter(
				"container",
				fmt.Sprintf("the pods have no container %q; they have %s", q.container, strings.Join(names, ", ")),
			)
		}
	}
	return pods, nil
}

func logsGone(format string, args ...any) *problem.Problem {
	return problem.New(problem.LogsGone, format, args...)
}
