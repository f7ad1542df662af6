package controller

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// readPodsTimeout bounds the single read past the cache before a final status is written.
	readPodsTimeout = 5 * time.Second

	// maxReadPods bounds the number of pods that this read returns. A result names one.
	maxReadPods = 500
)

// podSummary is what a status says about the pods of a Job.
type podSummary struct {
	// active is true if a pod has neither ended nor is being deleted.
	active bool

	// firstStart is when the first container of the pods started, or nil if none has. Pods that were deleted do not
	// count.
	firstStart *metav1.Time

	// blocker is what keeps the active pods from starting. It is set only if each of them is blocked.
	blocker *podBlocker

	// unexplained is the oldest active pod that has not started, where its status does not say why. It is set only if
	// none of the active pods has started, and none is getting its image.
	unexplained *corev1.Pod

	// startedAt is when the last of the running containers started, or zero.
	startedAt metav1.Time

	// result says how the pods of a finished Job ended. It is nil before, and if no pod was seen.
	result *dispatcherv1alpha1.JobExecutionResult
}

// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch

// summarizePods summarizes the pods of a Job. It returns no error: the outcome of a Job does not depend on its pods and
// must not wait for them.
func (r *reconciler) summarizePods(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job,
) podSummary {
	var pods corev1.PodList
	err := r.client.List(
		ctx,
		&pods,
		client.InNamespace(job.Namespace),
		client.MatchingFields{byExecution: execution.Name},
		client.UnsafeDisableDeepCopy,
	)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the pods of the Job")
	}
	cached := podsOf(job, pods.Items)
	summary := summaryOfPods(cached)
	if finishedCondition(job) != nil {
		return podSummary{firstStart: summary.firstStart, result: r.resultOf(ctx, execution, job, cached)}
	}
	return summary
}

// noteStart remembers the start of a pod, if no other started before.
func (s *podSummary) noteStart(at metav1.Time) {
	if s.firstStart == nil || at.Before(s.firstStart) {
		s.firstStart = &at
	}
}

// startOf returns when the first container of a pod that has started did so. If its containers do not tell, it is the
// creation of the pod.
func startOf(pod *corev1.Pod) metav1.Time {
	var first metav1.Time
	for _, status := range containersOf(pod) {
		var times []metav1.Time
		if running := status.State.Running; running != nil {
			times = append(times, running.StartedAt)
		}
		for _, ended := range []*corev1.ContainerStateTerminated{
			status.State.Terminated, status.LastTerminationState.Terminated,
		} {
			if ended != nil {
				times = append(times, ended.StartedAt)
			}
		}
		for _, at := range times {
			if !at.IsZero() && (first.IsZero() || at.Before(&first)) {
				first = at
			}
		}
	}
	if first.IsZero() {
		return pod.CreationTimestamp
	}
	return first
}

// resultOf returns how the pods of a finished Job ended. The cache of pods may lag behind the cache of Jobs: if it
// shows no pod, or one that has not ended, the pods are read from the API server once.
func (r *reconciler) resultOf(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, cached []*corev1.Pod,
) *dispatcherv1alpha1.JobExecutionResult {
	remembered := r.podOutcomes.of(keyOf(job))
	result := resultOfJob(job, cached, remembered)
	if result != nil && allEnded(cached) {
		return result
	}
	ctx, cancel := context.WithTimeout(ctx, readPodsTimeout)
	defer cancel()
	var pods corev1.PodList
	err := r.apiReader.List(ctx, &pods, client.InNamespace(job.Namespace), client.Limit(maxReadPods),
		client.MatchingLabels{dispatcherv1alpha1.LabelJobExecution: execution.Name})
	if err != nil {
		log.FromContext(ctx).Error(err, "Reading the pods of the finished Job past the cache")
		return result
	}
	if current := resultOfJob(job, podsOf(job, pods.Items), remembered); current != nil {
		return current
	}
	return result
}

// summaryOfPods summarizes the pods of a Job that has not finished. Of several blocked pods it takes the oldest, so
// that the result is stable.
func summaryOfPods(pods []*corev1.Pod) podSummary {
	var summary podSummary
	var oldest *corev1.Pod
	anyGoesOn := false
	for _, pod := range pods {
		if hasStarted(pod) {
			summary.noteStart(startOf(pod))
		}
		if !isActive(pod) {
			continue
		}
		summary.active = true
		summary.noteRunning(pod)
		switch blocker := podBlockerOf(pod); {
		case blocker != nil:
			if oldest == nil || isOlder(pod, oldest) {
				oldest, summary.blocker = pod, blocker
			}
		case !waitsForNode(pod) && !waitsForOtherScheduler(pod):
			anyGoesOn = true
		case summary.unexplained == nil || isOlder(pod, summary.unexplained):
			summary.unexplained = pod
		}
	}
	if anyGoesOn {
		summary.unexplained = nil
	}
	if anyGoesOn || summary.unexplained != nil {
		summary.blocker = nil
	}
	return summary
}

// noteRunning remembers when the last of the running containers started.
func (s *podSummary) noteRunning(pod *corev1.Pod) {
	for i := range pod.Status.ContainerStatuses {
		running := pod.Status.ContainerStatuses[i].State.Running
		if running != nil && s.startedAt.Before(&running.StartedAt) {
			s.startedAt = running.StartedAt
		}
	}
}

// waitsForNode says whether a node has been chosen for the pod and has not made it ready to start its containers: its
// volumes, its network or its devices are missing. A pod that is ready gets its images, which may take long.
func waitsForNode(pod *corev1.Pod) bool {
	return podCondition(pod, corev1.PodScheduled).Status == corev1.ConditionTrue && !hasStarted(pod) &&
		podCondition(pod, corev1.PodReadyToStartContainers).Status != corev1.ConditionTrue
}

// waitsForOtherScheduler says whether the pod names a scheduler that has not looked at it, and is not the default one.
func waitsForOtherScheduler(pod *corev1.Pod) bool {
	return podCondition(pod, corev1.PodScheduled).Status == "" && !hasStarted(pod) &&
		pod.Spec.SchedulerName != "" && pod.Spec.SchedulerName != corev1.DefaultSchedulerName
}

// podsOf returns the pods that the Job controls.
func podsOf(job *batchv1.Job, all []corev1.Pod) []*corev1.Pod {
	var pods []*corev1.Pod
	for i := range all {
		if metav1.IsControlledBy(&all[i], job) {
			pods = append(pods, &all[i])
		}
	}
	return pods
}

// isActive says whether the pod may still start or run.
func isActive(pod *corev1.Pod) bool { return pod.DeletionTimestamp.IsZero() && !hasEnded(pod) }

func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func allEnded(pods []*corev1.Pod) bool {
	for _, pod := range pods {
		if !hasEnded(pod) {
			return false
		}
	}
	return true
}

func isOlder(a, b *corev1.Pod) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Name < b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

// podHandler enqueues the execution of a pod that was created or deleted, has ended, or whose blocker has changed.
// Other updates only matter to an execution that waits for a pod to start. On every replica it notes the outcome of
// pods, which may be deleted before the Job finishes.
func (r *reconciler) podHandler() handler.EventHandler {
	enqueueExecution := func(ctx context.Context, pod client.Object, queue queue, priority int) {
		enqueue(queue, requestsFor(ctx, pod), priority)
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			r.podOutcomes.note(e.Object, false)
			enqueueExecution(ctx, e.Object, q, priorityOf(e.IsInInitialList))
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			r.podOutcomes.note(e.ObjectNew, false)
			if podStageOf(e.ObjectOld) != podStageOf(e.ObjectNew) || r.watchesPod(e.ObjectNew) {
				enqueueExecution(ctx, e.ObjectNew, q, priorityOfChange)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			r.podOutcomes.note(e.Object, true)
			enqueueExecution(ctx, e.Object, q, priorityOfChange)
		},
	}
}

// podStage is the part of a pod's state that affects a status.
type podStage struct {
	active            bool
	reason, container string

	// waits is true while the pod may need its events to be read.
	waits bool
}

func podStageOf(object client.Object) podStage {
	pod, ok := object.(*corev1.Pod)
	if !ok || !isActive(pod) {
		return podStage{}
	}
	if blocker := podBlockerOf(pod); blocker != nil {
		return podStage{active: true, reason: blocker.reason, container: blocker.container}
	}
	return podStage{active: true, waits: waitsForNode(pod)}
}
