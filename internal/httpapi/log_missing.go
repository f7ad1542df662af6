package httpapi

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// maxPodsNamed bounds the pods that a problem names.
const maxPodsNamed = 3

// noPodYet is for an execution that has no pod. The reason tells why: who may read logs may not be allowed to read the
// execution, so its message is left out.
func noPodYet(execution *dispatcherv1alpha1.JobExecution) error {
	return problem.New(problem.NoLog, "the execution has no pod (%s), so there is no log%s",
		execution.Summary().Reason, whereToLook(execution))
}

// noLog says why none of the pods has the log that was asked for, and which containers have one.
func (l *podLogs) noLog(pods []corev1.Pod) error {
	var why []string
	for i := range pods[:min(len(pods), maxPodsNamed)] {
		pod := &pods[i]
		run, started := l.next(pod)
		why = append(why, fmt.Sprintf("container %q of pod %q %s", run.container, pod.Name, l.whyNoLog(pod, run, started)))
	}
	if more := len(pods) - maxPodsNamed; more > 0 {
		why = append(why, fmt.Sprintf("%d more pods have no log either", more))
	}
	p := problem.New(problem.NoLog, "%s%s", strings.Join(why, "; "), whereToLook(l.execution))
	if others := l.withLogs(pods); len(others) > 0 {
		p.Detail += "; these containers have a log: " + strings.Join(others, ", ")
		p.At("container", "can be "+strings.Join(others, " or "))
	}
	return p
}

func (l *podLogs) whyNoLog(pod *corev1.Pod, run containerRun, started bool) string {
	switch {
	case started:
		return "has a log that cannot be read: the container or its pod is being removed, or is started again"
	case l.asked.previous && hasStarted(statusOf(pod, run.container)):
		return "was not started again, so it has no previous log"
	case hasEnded(pod):
		return "never started, and the pod has ended"
	}
	return "has not started (" + blockerOf(pod, run.container, l.execution) + ")"
}

// blockerOf returns in a word why a container has not started. The execution may know more than the kubelet says in the
// status of the container.
func blockerOf(pod *corev1.Pod, container string, execution *dispatcherv1alpha1.JobExecution) string {
	reason := string(corev1.PodPending)
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason != "" {
			reason = condition.Reason
		}
	}
	if waiting := statusOf(pod, container).State.Waiting; waiting != nil && waiting.Reason != "" {
		reason = waiting.Reason
	}
	known := execution.Summary().Reason
	isVague := slices.Contains([]string{string(corev1.PodPending), "ContainerCreating", "PodInitializing"}, reason)
	if isVague && known != dispatcherv1alpha1.ReasonWaiting && known != dispatcherv1alpha1.ReasonRunning {
		return known
	}
	return reason
}

// withLogs returns the containers of the pods that have a log of the kind that was asked for, and that was not tried.
func (l *podLogs) withLogs(pods []corev1.Pod) []string {
	var names []string
	for i := range pods {
		for _, name := range containerNames(&pods[i]) {
			id := l.runID(statusOf(&pods[i], name))
			if id != "" && !l.done[string(pods[i].UID)+"/"+id] && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func whereToLook(execution *dispatcherv1alpha1.JobExecution) string {
	return "; GET " + locationOf(execution) + " says more"
}
