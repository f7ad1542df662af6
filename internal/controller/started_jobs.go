package controller

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// startedJobsSize is how many Jobs this process remembers. It must hold those of the last staleAfter: enough for
// hundreds a second.
const startedJobsSize = 8192

// startedJobs remembers, for each execution, the Job that this process has created or seen, until the status names it.
// If the Job is then missing, it was deleted, and must not be created again.
type startedJobs struct {
	clock       clock.PassiveClock
	byExecution *lru.Cache // by ownerKey
}

// ownerKey is an object that others name as their controller. Who writes in one namespace can name the UID of an object
// in another one, which owns nothing there.
type ownerKey struct {
	namespace string
	uid       types.UID
}

// keyOf returns the key of an object for what it owns.
func keyOf(object client.Object) ownerKey { return ownerKey{object.GetNamespace(), object.GetUID()} }

// startedJob is what is remembered of an execution.
type startedJob struct {
	job   *dispatcherv1alpha1.JobReference // nil if the execution was canceled without a Job.
	since time.Time                        // When this process learned of it.
}

func newStartedJobs(clock clock.PassiveClock) startedJobs {
	return startedJobs{clock: clock, byExecution: lru.New(startedJobsSize)}
}

// of returns what is remembered of the execution, or nil.
func (s startedJobs) of(execution ownerKey) *startedJob {
	remembered, _ := s.byExecution.Get(execution)
	started, _ := remembered.(*startedJob)
	return started
}

// add remembers the Job of an execution.
func (s startedJobs) add(execution ownerKey, job *dispatcherv1alpha1.JobReference) *startedJob {
	if known := s.of(execution); known != nil && known.job != nil && job != nil && known.job.UID == job.UID {
		return known
	}
	started := &startedJob{job: job, since: s.clock.Now()}
	s.byExecution.Add(execution, started)
	return started
}

// note remembers a Job that a watch event has shown. On every replica: the next leader has to know it, too.
func (s startedJobs) note(object client.Object) {
	job, ok := object.(*batchv1.Job)
	owner := metav1.GetControllerOf(object)
	if ok && owner != nil && isExecution(owner) {
		s.add(ownerKey{job.Namespace, owner.UID}, referenceTo(job))
	}
}
