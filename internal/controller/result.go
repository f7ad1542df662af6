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

// exitBySignal is the exit code from which on a signal ended the container.
const exitBySignal = 128

// containerLost is the reason of a container that the kubelet knows nothing of: it never ran, or its node restarted.
const containerLost = "ContainerStatusUnknown"

// weight says how much a pod's end tells about why the Job failed.
type weight int

const (
	weightLost   weight = iota // The kubelet does not know how it ended.
	weightKilled               // It ended since somebody deleted it, as the Job controller does with all others when one fails.
	weightHeld                 // It never started.
	weightBroken               // It failed by itself.
)

// ending is how a pod ended that did not succeed, or what keeps it from starting.
type ending struct {
	weight weight
	at     time.Time
	born   time.Time // When the pod was created.
	result dispatcherv1alpha1.JobExecutionResult
}

// outweighs says whether e tells more than other, or as much of a later time.
func (e *ending) outweighs(other *ending) bool {
	switch {
	case e == nil || other == nil:
		return e != nil
	case e.weight != other.weight:
		return e.weight > other.weight
	case !e.at.Equal(other.at):
		return e.at.After(other.at)
	}
	return e.result.Pod > other.result.Pod
}

// resultFrom returns the result of a finished Job: of a success the pod that succeeded last, of a failure the one that
// tells most about it. Known is what was noted of a pod that may be gone.
func resultFrom(job *batchv1.Job, pods []*corev1.Pod, known *ending) *dispatcherv1alpha1.JobExecutionResult {
	if end := endOf(job); end != nil && end.Type == batchv1.JobComplete {
		return successOf(pods)
	}
	var worst *ending
	// A Job that was suspended starts anew, with new pods.
	if known != nil && (job.Status.StartTime == nil || !known.born.Before(job.Status.StartTime.Time)) {
		worst = known
	}
	for _, pod := range pods {
		if failed := failureOf(pod); failed.outweighs(worst) {
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
		if last == nil || endedAt(pod).After(endedAt(last)) || (endedAt(pod).Equal(endedAt(last)) && isOlder(last, pod)) {
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

// failureOf returns how the pod failed, or what keeps it from starting, or nil where it does neither.
func failureOf(pod *corev1.Pod) *ending {
	found := &ending{born: pod.CreationTimestamp.Time, at: endedAt(pod), result: dispatcherv1alpha1.JobExecutionResult{Pod: pod.Name}}
	container, end := failedContainer(pod)
	hindrance := hindranceOf(pod)
	switch {
	case pod.Status.Phase == corev1.PodSucceeded:
		return nil
	case pod.Status.Phase == corev1.PodFailed && pod.Status.Reason != "": // Like Evicted: its containers could not help it.
		found.weight = weightBroken
		found.result.Reason, found.result.Message = pod.Status.Reason, clipped(pod.Status.Message)
	case end != nil:
		found.weight, found.at = weigh(pod, end), end.FinishedAt.Time
		found.result = resultOfContainer(pod, container, end)
	case hindrance != nil:
		found.weight, found.at = weightHeld, hindrance.since.Time
		found.result.Container, found.result.Reason, found.result.Message = hindrance.container, hindrance.reason, clipped(hindrance.detail)
	case pod.Status.Phase == corev1.PodFailed:
		found.weight = weightLost
	default:
		return nil
	}
	return found
}

// failedContainer returns the container that brought the pod down: one that ran out of memory, else the first to fail,
// now or in an earlier try.
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

// weigh tells a container that failed by itself from one that was stopped. Times have whole seconds, and the Job
// controller may be quick: within the second of the deletion, the exit code decides.
func weigh(pod *corev1.Pod, end *corev1.ContainerStateTerminated) weight {
	if end.Reason == containerLost {
		return weightLost
	}
	if pod.DeletionTimestamp.IsZero() {
		return weightBroken
	}
	requested := pod.DeletionTimestamp.Add(-time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second)
	if end.FinishedAt.After(requested) || (end.FinishedAt.Time.Equal(requested) && end.ExitCode > exitBySignal) {
		return weightKilled
	}
	return weightBroken
}

// endedAt is when the last container ended, or when the pod was created if none did.
func endedAt(pod *corev1.Pod) time.Time {
	at := pod.CreationTimestamp.Time
	for _, status := range containersOf(pod) {
		if end := status.State.Terminated; end != nil && end.FinishedAt.After(at) {
			at = end.FinishedAt.Time
		}
	}
	return at
}

func resultOfContainer(pod *corev1.Pod, name string, end *corev1.ContainerStateTerminated) dispatcherv1alpha1.JobExecutionResult {
	return dispatcherv1alpha1.JobExecutionResult{
		Pod:       pod.Name,
		Container: name,
		ExitCode:  new(end.ExitCode),
		Reason:    end.Reason,
		Message:   clipped(end.Message),
	}
}

// clipped returns text as valid UTF-8 of at most maxResultMessage bytes.
func clipped(text string) string {
	return cut(strings.ToValidUTF8(text, string(utf8.RuneError)), maxResultMessage)
}

// cut returns at most the first limit bytes of text, and no part of a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
