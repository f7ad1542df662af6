package controller

import (
	"strings"
	"time"
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// maxResultMessage bounds the message of a result, in bytes: the kubelet's own limit of a termination message.
const maxResultMessage = 4096

// exitBySignal is the largest exit code that is not that of a signal.
const exitBySignal = 128

// containerLost is the reason of a container that the kubelet does not know: it never ran, or the node restarted.
const containerLost = "ContainerStatusUnknown"

// weight ranks pods by how much they tell about why the Job failed.
type weight int

const (
	weightUnknown weight = iota // The kubelet does not know how it ended.
	weightKilled                // It was deleted, for example by the Job controller after another pod failed.
	weightBlocked               // It never started.
	weightFailed                // It failed by itself.
)

// podOutcome says how a pod failed, or what keeps it from starting.
type podOutcome struct {
	weight     weight
	at         time.Time
	podCreated time.Time
	fromEvents bool // Events told it, and not the status of the pod.
	result     dispatcherv1alpha1.JobExecutionResult
}

func (o *podOutcome) isFromEvents() bool { return o != nil && o.fromEvents }

// tellsMoreThan says whether o has a higher weight than other, or the same weight and a later time.
func (o *podOutcome) tellsMoreThan(other *podOutcome) bool {
	switch {
	case o == nil || other == nil:
		return o != nil
	case o.weight != other.weight:
		return o.weight > other.weight
	case !o.at.Equal(other.at):
		return o.at.After(other.at)
	}
	return o.result.Pod > other.result.Pod
}

// resultOfJob returns the result of a finished Job: of a success the pod that succeeded last, of a failure the pod that
// tells most about it. remembered is the outcome of a pod that may have been deleted, or nil.
func resultOfJob(job *batchv1.Job, pods []*corev1.Pod, remembered *podOutcome) *dispatcherv1alpha1.JobExecutionResult {
	if finished := finishedCondition(job); finished != nil && finished.Type == batchv1.JobComplete {
		return successOf(pods)
	}
	var worst *podOutcome
	// A Job that is resumed after a suspension has a new start time and new pods.
	if remembered != nil && (job.Status.StartTime == nil || !remembered.podCreated.Before(job.Status.StartTime.Time)) {
		worst = remembered
	}
	for _, pod := range pods {
		if failed := podFailure(pod); failed.tellsMoreThan(worst) {
			worst = failed
		}
	}
	if worst == nil {
		return nil
	}
	return worst.result.DeepCopy()
}

// successOf returns the result of the pod that succeeded last: of its containers, the first that left a message.
func successOf(pods []*corev1.Pod) *dispatcherv1alpha1.JobExecutionResult {
	var last *corev1.Pod
	for _, pod := range pods {
		if pod.Status.Phase != corev1.PodSucceeded {
			continue
		}
		if last == nil || endedAt(pod).After(endedAt(last)) ||
			(endedAt(pod).Equal(endedAt(last)) && isOlder(last, pod)) {
			last = pod
		}
	}
	if last == nil {
		return nil
	}
	result := &dispatcherv1alpha1.JobExecutionResult{Pod: last.Name}
	for _, status := range last.Status.ContainerStatuses {
		end := status.State.Terminated
		if end == nil || end.ExitCode != 0 {
			continue
		}
		if result.Container == "" || (result.Message == "" && end.Message != "") {
			*result = resultOfContainer(last, status.Name, end)
		}
	}
	return result
}

// podFailure returns how the pod failed or what keeps it from starting, or nil.
func podFailure(pod *corev1.Pod) *podOutcome {
	outcome := &podOutcome{
		podCreated: pod.CreationTimestamp.Time,
		at:         endedAt(pod),
		result:     dispatcherv1alpha1.JobExecutionResult{Pod: pod.Name},
	}
	container, end := failedContainer(pod)
	blocker, disruption := podBlockerOf(pod), podCondition(pod, corev1.DisruptionTarget)
	switch {
	case pod.Status.Phase == corev1.PodSucceeded:
		return nil
	case pod.Status.Phase == corev1.PodFailed && pod.Status.Reason != "":
		// For example Evicted: not the fault of a container.
		outcome.weight = weightFailed
		outcome.result.Reason, outcome.result.Message = pod.Status.Reason, sanitized(pod.Status.Message)
	case disruption.Status == corev1.ConditionTrue && !failedBefore(end, disruption):
		outcome.weight, outcome.at = weightFailed, disruption.LastTransitionTime.Time
		if end != nil && end.Reason != containerLost {
			outcome.result = resultOfContainer(pod, container, end)
		}
		outcome.result.Reason, outcome.result.Message = disruption.Reason, sanitized(disruption.Message)
	case end != nil:
		outcome.weight, outcome.at = weightOf(pod, end), end.FinishedAt.Time
		outcome.result = resultOfContainer(pod, container, end)
	case blocker != nil:
		outcome.weight, outcome.at = weightBlocked, blocker.since.Time
		outcome.result.Container, outcome.result.Reason = blocker.container, blocker.reason
		outcome.result.Message = sanitized(blocker.detail)
	case pod.Status.Phase == corev1.PodFailed:
		outcome.weight = weightUnknown
	default:
		return nil
	}
	return outcome
}

// failedBefore says whether the container failed by itself before the pod was disrupted: evicted, preempted, or removed
// with its node.
func failedBefore(end *corev1.ContainerStateTerminated, disruption corev1.PodCondition) bool {
	return end != nil && end.Reason != containerLost && end.FinishedAt.Before(&disruption.LastTransitionTime)
}

// failedContainer returns the container that made the pod fail: one that ran out of memory, else the first that failed,
// in its last or an earlier run.
func failedContainer(pod *corev1.Pod) (name string, end *corev1.ContainerStateTerminated) {
	for _, status := range containersOf(pod) {
		failed := status.State.Terminated
		if failed == nil {
			failed = status.LastTerminationState.Terminated
		}
		if failed == nil || failed.ExitCode == 0 {
			continue
		}
		if end == nil || isWorse(failed, end) {
			name, end = status.Name, failed
		}
	}
	return name, end
}

func isWorse(a, b *corev1.ContainerStateTerminated) bool {
	const outOfMemory = "OOMKilled"
	switch {
	case (a.Reason == containerLost) != (b.Reason == containerLost):
		return b.Reason == containerLost
	case (a.Reason == outOfMemory) != (b.Reason == outOfMemory):
		return a.Reason == outOfMemory
	}
	return a.FinishedAt.Before(&b.FinishedAt)
}

// weightOf distinguishes a container that failed by itself from one that was stopped. Times have whole seconds: if the
// container ended in the second of the deletion, its exit code decides.
func weightOf(pod *corev1.Pod, end *corev1.ContainerStateTerminated) weight {
	if end.Reason == containerLost {
		return weightUnknown
	}
	if pod.DeletionTimestamp.IsZero() {
		return weightFailed
	}
	requested := pod.DeletionTimestamp.Add(-time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second)
	if end.FinishedAt.After(requested) || (end.FinishedAt.Time.Equal(requested) && end.ExitCode > exitBySignal) {
		return weightKilled
	}
	return weightFailed
}

// endedAt is when the last container ended, or the creation of the pod if none did.
func endedAt(pod *corev1.Pod) time.Time {
	at := pod.CreationTimestamp.Time
	for _, status := range containersOf(pod) {
		if end := status.State.Terminated; end != nil && end.FinishedAt.After(at) {
			at = end.FinishedAt.Time
		}
	}
	return at
}

func resultOfContainer(
	pod *corev1.Pod, name string, end *corev1.ContainerStateTerminated,
) dispatcherv1alpha1.JobExecutionResult {
	return dispatcherv1alpha1.JobExecutionResult{
		Pod:       pod.Name,
		Container: name,
		ExitCode:  new(end.ExitCode),
		Reason:    end.Reason,
		Message:   sanitized(end.Message),
	}
}

// sanitized returns text as valid UTF-8 of at most maxResultMessage bytes.
func sanitized(text string) string {
	return truncateAt(strings.ToValidUTF8(text, string(utf8.RuneError)), maxResultMessage)
}

// truncateAt returns at most limit bytes of text and splits no character.
func truncateAt(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
