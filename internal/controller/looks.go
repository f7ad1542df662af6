package controller

import (
	"context"
	"time"

	"golang.org/x/time/rate"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/lru"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// lookForPodsAfter is for how long a Job that has started may have no pod before its events are read. Most get one
	// within a moment.
	lookForPodsAfter = time.Second

	// lookAtPodAfter is the age from which the events of a pod are read that has not started. It is also for how long a
	// Job may have no pod between two of them.
	lookAtPodAfter = 10 * time.Second

	// minLookInterval is the shortest time between two reads of the events of one object. From one read to the next it
	// grows to twice the time before: a day takes 17 reads.
	minLookInterval = time.Second

	// changedLookInterval is the shortest time where the object has changed.
	changedLookInterval = 5 * time.Second

	// looksPerSecond and looksAtOnce bound the reads of all executions. The API server reads all events of the namespace
	// for each of them.
	looksPerSecond, looksAtOnce = 10, 20

	// looksSize is how many Jobs without started pods this process remembers.
	looksSize = 4096
)

// looks remembers what the events of Jobs and pods have told, and when they are to be read again.
type looks struct {
	limiter *rate.Limiter
	byJob   *lru.Cache // by ownerKey, as a *look

	// watched are the ownerKeys of Jobs whose executions wait for every change of their pods.
	watched *lru.Cache
}

// look is the last read of the events of one object. Only the reconcile of its execution may use it.
type look struct {
	object  types.UID
	version string    // The resourceVersion that the object had at the last read.
	since   time.Time // When this process first had a reason to read them.
	at      time.Time // When they were read last, or zero.
	next    time.Time // When they are to be read again, unless the object changes before.
	allowed bool      // The limiter has allowed the next read, at that time.
	blocker *podBlocker
}

func newLooks() looks {
	return looks{
		limiter: rate.NewLimiter(looksPerSecond, looksAtOnce),
		byJob:   lru.New(looksSize),
		watched: lru.New(looksSize),
	}
}

// watchesPod says whether an execution waits for every change of the pod.
func (r *reconciler) watchesPod(object client.Object) bool {
	owner := metav1.GetControllerOf(object)
	if owner == nil {
		return false
	}
	_, ok := r.looks.watched.Get(ownerKey{object.GetNamespace(), owner.UID})
	return ok
}

// subjectOfLook returns the object whose events may tell why the Job has no started pods, or nil if there is nothing to
// tell.
func subjectOfLook(job *batchv1.Job, pods podSummary) client.Object {
	switch {
	case finishedCondition(job) != nil, !job.DeletionTimestamp.IsZero(), ptr.Deref(job.Spec.Suspend, false):
		return nil
	case pods.unexplained != nil:
		return pods.unexplained
	case pods.active, job.Status.Active > 0, startsNoPods(job):
		return nil
	case job.Status.StartTime == nil && !isManagedByOther(job):
		return nil // The Job controller has not come to it.
	}
	return job
}

// explainPods adds to the summary what events tell about pods that cannot be created or do not start. It returns after
// how long the execution is to be looked at again for that, or zero.
func (r *reconciler) explainPods(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, pods *podSummary,
) time.Duration {
	subject := subjectOfLook(job, *pods)
	if subject == nil {
		r.looks.byJob.Remove(keyOf(job))
		r.looks.watched.Remove(keyOf(job))
		return 0
	}
	now := r.clock.Now()
	seen := r.lookAt(execution, job, subject, now)
	if !seen.at.IsZero() && seen.version != subject.GetResourceVersion() {
		if changed := seen.at.Add(changedLookInterval); changed.Before(seen.next) {
			seen.next, seen.allowed = changed, false
		}
	}
	if !seen.next.After(now) && !seen.allowed {
		seen.next, seen.allowed = now.Add(r.looks.limiter.ReserveN(now, 1).DelayFrom(now)), true
	}
	switch {
	case seen.next.After(now):
	case !r.eventReads.TryAcquire(1):
		seen.next = now.Add(wait.Jitter(minLookInterval, waitJitter)) // A reconcile must not wait for others.
	default:
		r.readBlocker(ctx, job, subject, seen)
		r.eventReads.Release(1)
	}
	if seen.blocker != nil {
		pods.blocker = seen.blocker
	}
	return max(seen.next.Sub(now), time.Millisecond)
}

// lookAt returns what is remembered of the subject, or when it is to be looked at first. If the status tells already
// what blocks the subject, another process has read its events: this one waits as if it had.
func (r *reconciler) lookAt(
	execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, subject client.Object, now time.Time,
) *look {
	key := keyOf(job)
	remembered, _ := r.looks.byJob.Get(key)
	if seen, ok := remembered.(*look); ok && seen.object == subject.GetUID() {
		return seen
	}
	seen := &look{object: subject.GetUID(), since: now}
	_, isJob := subject.(*batchv1.Job)
	switch {
	case isBlockedByEvents(execution) && tells(execution, subject):
		seen.at, seen.version = now, subject.GetResourceVersion()
		seen.next = now.Add(lookInterval(subject, seen))
		r.looks.watched.Add(key, true)
	case isJob && isRunning(execution):
		seen.next = now.Add(lookAtPodAfter)
	case isJob:
		seen.next = now.Add(lookForPodsAfter)
	default:
		seen.next = subject.GetCreationTimestamp().Add(lookAtPodAfter)
	}
	r.looks.byJob.Add(key, seen)
	return seen
}

// lookInterval is for how long the subject has had no started pods until now.
func lookInterval(subject client.Object, seen *look) time.Duration {
	since := seen.since
	if _, isPod := subject.(*corev1.Pod); isPod && subject.GetCreationTimestamp().Time.Before(since) {
		since = subject.GetCreationTimestamp().Time
	}
	return wait.Jitter(max(seen.at.Sub(since), minLookInterval), waitJitter)
}

// readBlocker reads the events of the subject and remembers what they tell. If they tell nothing, for example because
// they have expired, the last one stays.
func (r *reconciler) readBlocker(ctx context.Context, job *batchv1.Job, subject client.Object, seen *look) {
	seen.at, seen.version, seen.allowed = r.clock.Now(), subject.GetResourceVersion(), false
	seen.next = seen.at.Add(lookInterval(subject, seen))
	r.looks.watched.Add(keyOf(job), true)
	events, err := r.readEvents(ctx, subject)
	if err != nil {
		log.FromContext(ctx).Error(err, "Reading the events of pods that do not start")
		return
	}
	found := blockerOfJob(job, events)
	if pod, ok := subject.(*corev1.Pod); ok {
		if found = blockerOfPod(pod, events); found != nil {
			r.podOutcomes.noteBlocker(keyOf(job), pod, found)
		}
	}
	if found != nil {
		seen.blocker = found
	}
}
