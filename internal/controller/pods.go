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

	// blocker is what keeps the active pods from starting. It is set only if each of them is blocked.
	blocker *podBlocker

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
	if finishedCondition(job) != nil {
		return podSummary{result: r.resultOf(ctx, execution, job, cached)}
	}
	return summaryOfPods(cached)
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
	allBlocked := true
	for _, pod := range pods {
		if !isActive(pod) {
			continue
		}
		summary.active = true
		for i := range pod.Status.ContainerStatuses {
			if running := pod.Status.ContainerStatuses[i].State.Running; running != nil &&
				summary.startedAt.Before(&running.StartedAt) {
				summary.startedAt = running.StartedAt
			}
		}
		switch blocker := podBlockerOf(pod); {
		case blocker == nil:
			allBlocked = false
		case oldest == nil || isOlder(pod, oldest):
			oldest, summary.blocker = pod, blocker
		}
	}
	if !allBlocked {
		summary.blocker = nil
	}
	return summary
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

// podHandler enqueues the execution of a pod that was created or deleted, has ended, or whose blocker has changed. All
// other updates do not change a status. On every replica it notes the outcome of pods, which may be deleted before the
// Job finishes.
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
			if podStageOf(e.ObjectOld) != podStageOf(e.ObjectNew) {
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
}

func podStageOf(object client.Object) podStage {
	pod, ok := object.(*corev1.Pod)
	if !ok || !isActive(pod) {
		return podStage{}
	}
	if blocker := podBlockerOf(pod); blocker != nil {
		return podStage{active: true, reason: blocker.reason, container: blocker.container}
	}
	return podStage{active: true}
}
