package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// readEventsTimeout bounds the time of reading the events of one object.
	readEventsTimeout = 5 * time.Second

	// maxEventsPage and maxEventPages bound how many events of one object are read. Whoever may create events in the
	// namespace may create many, of up to 1.5 MiB each, so that only a few are in memory at a time. Those of Kubernetes
	// are few: similar ones are counted in one.
	maxEventsPage, maxEventPages = 5, 16

	// maxEventReads is how many objects have their events read at a time.
	maxEventReads = 2
)

// Reasons of the events of the Job controller about its pods.
const (
	eventFailedCreate     = "FailedCreate"
	eventSuccessfulCreate = "SuccessfulCreate"
)

// goesOn are the reasons of the kubelet's events which tell that a pod has its volumes and its network.
var goesOn = []string{"Pulling", "Pulled", "Created", "Started"}

// harmless are the reasons of the kubelet's Warning events which do not keep a pod from starting.
var harmless = []string{"DNSConfigForming", "FailedToRetrieveImagePullSecret"}

// podEvent is what is kept of an event.
type podEvent struct {
	warning      bool
	reason, note string
	at           time.Time // When it happened last.
}

// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=list

// readEvents reads the events of the object.
func (r *reconciler) readEvents(ctx context.Context, object client.Object) ([]podEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, readEventsTimeout)
	defer cancel()
	var all []podEvent
	token := ""
	for range maxEventPages {
		var page eventsv1.EventList
		err := r.apiReader.List(ctx, &page, client.InNamespace(object.GetNamespace()),
			client.MatchingFields{"regarding.uid": string(object.GetUID())},
			client.Limit(maxEventsPage), client.Continue(token))
		if err != nil {
			return nil, fmt.Errorf("reading the events of %s: %w", object.GetName(), err)
		}
		for i := range page.Items {
			event := &page.Items[i]
			all = append(all, podEvent{
				warning: event.Type == corev1.EventTypeWarning,
				reason:  strings.Clone(truncateAt(event.Reason, maxDetail)),
				note:    strings.Clone(truncated(sanitized(event.Note))),
				at:      lastSeen(event),
			})
		}
		if token = page.Continue; token == "" {
			break
		}
	}
	return all, nil
}

// lastSeen is when the event happened last. Old and new recorders fill different fields.
func lastSeen(event *eventsv1.Event) time.Time {
	last := event.CreationTimestamp.Time
	times := []time.Time{event.EventTime.Time, event.DeprecatedLastTimestamp.Time}
	if event.Series != nil {
		times = append(times, event.Series.LastObservedTime.Time)
	}
	for _, at := range times {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// isManagedByOther says whether another controller than the Job controller creates the pods of the Job.
func isManagedByOther(job *batchv1.Job) bool {
	return ptr.Deref(job.Spec.ManagedBy, batchv1.JobControllerName) != batchv1.JobControllerName
}

// blockerOfJob returns what keeps the pods of the Job from being created, or nil: the last time, none could be created.
// Of another controller than the Job controller, each Warning is told. Events from before the Job started, or was
// resumed, do not count.
func blockerOfJob(job *batchv1.Job, events []podEvent) *podBlocker {
	started := ptr.Deref(job.Status.StartTime, job.CreationTimestamp)
	var last *podEvent
	for i := range events {
		event := &events[i]
		decides := event.reason == eventFailedCreate || event.reason == eventSuccessfulCreate ||
			event.warning && isManagedByOther(job)
		if !decides || event.at.Before(started.Add(-clockSkew)) {
			continue
		}
		if last == nil || event.at.After(last.at) || event.at.Equal(last.at) && event.warning {
			last = event
		}
	}
	if last == nil || !last.warning {
		return nil
	}
	return &podBlocker{
		reason:     dispatcherv1alpha1.ReasonPodsForbidden,
		detail:     withoutPodNames(last.note, job.Name),
		since:      metav1.NewTime(last.at.Truncate(time.Second)),
		fromEvents: true,
	}
}

// withoutPodNames replaces the names of pods that could not be created: each try has another.
func withoutPodNames(note, job string) string {
	before, after, found := strings.Cut(note, `"`+job+"-")
	if !found {
		return note
	}
	_, after, found = strings.Cut(after, `"`)
	if !found {
		return note
	}
	return before + `"` + job + `-*"` + after
}

// blockerOfPod returns what keeps the pod from starting: its last Warning, unless the kubelet has gone on since. Those
// from before the pod was given to a node do not count.
func blockerOfPod(pod *corev1.Pod, events []podEvent) *podBlocker {
	scheduled := podCondition(pod, corev1.PodScheduled)
	var from, last time.Time
	if scheduled.Status == corev1.ConditionTrue {
		from = scheduled.LastTransitionTime.Time
	}
	for _, event := range events {
		if slices.Contains(goesOn, event.reason) && event.at.After(last) {
			last = event.at
		}
	}
	var found *podEvent
	for i := range events {
		event := &events[i]
		switch {
		case !event.warning, slices.Contains(harmless, event.reason), event.at.Before(from), !event.at.After(last):
		case event.reason == "FailedScheduling" && scheduled.Status == corev1.ConditionTrue:
		case found == nil, event.tellsMoreThan(found):
			found = event
		}
	}
	blocker := &podBlocker{pod: pod.Name, since: pod.CreationTimestamp, fromEvents: true}
	switch {
	case found == nil && waitsForOtherScheduler(pod):
		blocker.reason = dispatcherv1alpha1.ReasonUnschedulable
		blocker.detail = fmt.Sprintf("no scheduler %q has looked at it", pod.Spec.SchedulerName)
	case found == nil:
		return nil
	default:
		blocker.reason, blocker.detail = reasonOfEvent(found.reason), found.note
		if blocker.reason == dispatcherv1alpha1.ReasonPodNotStarted {
			blocker.detail = found.reason + ": " + found.note
		}
	}
	return blocker
}

// tellsMoreThan prefers the later event, but not one that only names the volumes that are missing. Events of the same
// second are ordered by their text, so that the result is stable.
func (e *podEvent) tellsMoreThan(other *podEvent) bool {
	onlyNames := func(event *podEvent) bool {
		return strings.HasPrefix(event.note, "Unable to attach or mount volumes")
	}
	switch {
	case onlyNames(e) != onlyNames(other) && reasonOfEvent(e.reason) == reasonOfEvent(other.reason):
		return onlyNames(other)
	case !e.at.Equal(other.at):
		return e.at.After(other.at)
	}
	return e.note < other.note
}

// reasonOfEvent returns our reason for a Warning event of a pod.
func reasonOfEvent(reason string) string {
	switch {
	case strings.Contains(reason, "Mount"), strings.Contains(reason, "Volume"):
		return dispatcherv1alpha1.ReasonFailedMount
	case reason == "FailedScheduling":
		return dispatcherv1alpha1.ReasonUnschedulable
	}
	return dispatcherv1alpha1.ReasonPodNotStarted
}

// isPodBlockedByEvents says whether the execution waits because events told that a pod does not start.
func isPodBlockedByEvents(execution *dispatcherv1alpha1.JobExecution) bool {
	reason := execution.Summary().Reason
	return podsBlocked(execution) &&
		(reason == dispatcherv1alpha1.ReasonFailedMount || reason == dispatcherv1alpha1.ReasonPodNotStarted)
}

// isBlockedByEvents says whether the execution waits because events told that its pods are blocked.
func isBlockedByEvents(execution *dispatcherv1alpha1.JobExecution) bool {
	return isPodBlockedByEvents(execution) ||
		podsBlocked(execution) && execution.Summary().Reason == dispatcherv1alpha1.ReasonPodsForbidden
}

// tells says whether the message of the execution is about the object.
func tells(execution *dispatcherv1alpha1.JobExecution, object client.Object) bool {
	kind := "Job"
	if _, ok := object.(*corev1.Pod); ok {
		kind = "pod"
	}
	return strings.HasPrefix(execution.Summary().Message, kind+" "+object.GetName()+" ")
}
