package controller

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// podOutcomesSize bounds the number of remembered outcomes. One is at most about 4 KiB.
const podOutcomesSize = 1024

// podOutcomes remembers, for each Job, the pod that tells most about why it may fail. The Job controller deletes the
// pods of a Job that exceeds its deadline before it sets the Failed condition, and a kubelet that stops a container
// that never started drops the reason. Outcomes are kept in memory only: after a restart, those of deleted pods are
// lost.
type podOutcomes struct{ byJob *lru.Cache } // by ownerKey

func newPodOutcomes() podOutcomes { return podOutcomes{byJob: lru.New(podOutcomesSize)} }

// of returns the remembered outcome of the Job's pods, or nil.
func (o podOutcomes) of(job ownerKey) *podOutcome {
	remembered, _ := o.byJob.Get(job)
	outcome, _ := remembered.(*podOutcome)
	return outcome
}

// noteBlocker remembers what events tell of a pod that does not start.
func (o podOutcomes) noteBlocker(job ownerKey, pod *corev1.Pod, blocker *podBlocker) {
	outcome := &podOutcome{
		weight:     weightBlocked,
		at:         blocker.since.Time,
		podCreated: pod.CreationTimestamp.Time,
		fromEvents: true,
		result: dispatcherv1alpha1.JobExecutionResult{
			Pod: pod.Name, Reason: blocker.reason, Message: sanitized(blocker.detail),
		},
	}
	if outcome.tellsMoreThan(o.of(job)) {
		o.byJob.Add(job, outcome)
	}
}

// note remembers the outcome of a pod that is being deleted or cannot start. It must not be called concurrently;
// informers call their handlers one after the other.
func (o podOutcomes) note(object client.Object, deleted bool) {
	pod, ok := object.(*corev1.Pod)
	owner := metav1.GetControllerOf(object)
	if !ok || owner == nil {
		return
	}
	job := ownerKey{pod.Namespace, owner.UID}
	remembered, outcome := o.of(job), podFailure(pod)
	deleting := deleted || !pod.DeletionTimestamp.IsZero()
	switch {
	case outcome == nil && !deleting && (hasStarted(pod) || !remembered.isFromEvents()) &&
		remembered != nil && remembered.weight == weightBlocked && remembered.result.Pod == pod.Name:
		o.byJob.Remove(job) // The pod has started after all.
	case outcome != nil && (deleting || outcome.weight == weightBlocked) && outcome.tellsMoreThan(remembered):
		o.byJob.Add(job, outcome)
	}
}
