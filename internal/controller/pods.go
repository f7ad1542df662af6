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
	// readPodsTimeout bounds the one read past the cache that an end may wait for.
	readPodsTimeout = 5 * time.Second

	// maxReadPods bounds how many pods that read returns. A result tells of one.
	maxReadPods = 500
)

// report is what the pods of a Job add to what the Job says itself.
type report struct {
	// live is true if there is a pod that has neither ended nor is being deleted.
	live bool

	// hindrance is what keeps the live pods from starting: set only if each of them has one.
	hindrance *hindrance

	// startedAt is when the latest of the running containers started, if there is one.
	startedAt metav1.Time

	// result is how a Job's pods ended, and nil while it goes on or if no pod was seen.
	result *dispatcherv1alpha1.JobExecutionResult
}

// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch

// reportOn looks at the pods of a Job. It cannot fail: a Job's outcome does not depend on them, and must not wait for
// them.
func (r *reconciler) reportOn(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) report {
	var pods corev1.PodList
	err := r.client.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingFields{byExecution: execution.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the pods of the Job")
	}
	cached := podsOf(job, pods.Items)
	if endOf(job) != nil {
		return report{result: r.resultOf(ctx, execution, job, cached)}
	}
	return reportOf(cached)
}

// resultOf returns how the pods of a finished Job ended. The cache of pods may lag behind that of Jobs: if it does not
// show the end of each pod that it has, or nothing at all, the API server is asked, once.
func (r *reconciler) resultOf(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, cached []*corev1.Pod) *dispatcherv1alpha1.JobExecutionResult {
	known := r.endings.of(job.UID)
	result := resultFrom(job, cached, known)
	if result != nil && allEnded(cached) {
		return result
	}
	ctx, cancel := context.WithTimeout(ctx, readPodsTimeout)
	defer cancel()
	var pods corev1.PodList
	err := r.live.List(ctx, &pods, client.InNamespace(job.Namespace), client.Limit(maxReadPods),
		client.MatchingLabels{dispatcherv1alpha1.LabelJobExecution: execution.Name})
	if err != nil {
		log.FromContext(ctx).Error(err, "Reading the pods of the finished Job past the cache")
		return result
	}
	if live := resultFrom(job, podsOf(job, pods.Items), known); live != nil {
		return live
	}
	return result
}

// reportOf says what holds up pods of a Job that goes on. Of several that are held up it tells of the oldest, so that
// it says the same each time.
func reportOf(pods []*corev1.Pod) report {
	var found report
	var oldest *corev1.Pod
	free := false
	for _, pod := range pods {
		if !isLive(pod) {
			continue
		}
		found.live = true
		for i := range pod.Status.ContainerStatuses {
			if running := pod.Status.ContainerStatuses[i].State.Running; running != nil && found.startedAt.Before(&running.StartedAt) {
				found.startedAt = running.StartedAt
			}
		}
		switch held := hindranceOf(pod); {
		case held == nil:
			free = true
		case oldest == nil || isOlder(pod, oldest):
			oldest, found.hindrance = pod, held
		}
	}
	if free {
		found.hindrance = nil
	}
	return found
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

// isLive says whether the pod may still start or run.
func isLive(pod *corev1.Pod) bool { return pod.DeletionTimestamp.IsZero() && !hasEnded(pod) }

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

// podHandler wakes the execution of a pod that came, went, or began or ceased to be held up. What else happens to it,
// which is most, changes nothing. The last word of a pod is noted, on every replica: it may be gone by the end.
func (r *reconciler) podHandler() handler.EventHandler {
	wake := func(ctx context.Context, pod client.Object, queue queue, priority int) {
		addAll(queue, requestsFor(ctx, pod), priority)
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			r.endings.note(e.Object, false)
			wake(ctx, e.Object, q, priorityOf(e.IsInInitialList))
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			r.endings.note(e.ObjectNew, false)
			if stageOf(e.ObjectOld) != stageOf(e.ObjectNew) {
				wake(ctx, e.ObjectNew, q, priorityOfChange)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			r.endings.note(e.Object, true)
			wake(ctx, e.Object, q, priorityOfChange)
		},
	}
}

// stage is what a status can tell from a pod.
type stage struct {
	live              bool
	reason, container string
}

func stageOf(object client.Object) stage {
	pod, ok := object.(*corev1.Pod)
	if !ok || !isLive(pod) {
		return stage{}
	}
	if held := hindranceOf(pod); held != nil {
		return stage{live: true, reason: held.reason, container: held.container}
	}
	return stage{live: true}
}
