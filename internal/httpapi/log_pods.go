package httpapi

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// hasEnded tells whether nothing of a pod will run any more.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// choose returns the requested pods, or a problem for a pod or a container that does not exist.
func (q logQuery) choose(pods []corev1.Pod) ([]corev1.Pod, error) {
	if q.pod != "" && len(pods) > 0 {
		at := slices.IndexFunc(pods, func(pod corev1.Pod) bool { return pod.Name == q.pod })
		if at < 0 {
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
