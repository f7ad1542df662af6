package controller

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// endingsSize is how many Jobs' endings are kept: of those whose pods are held up now, and of those that ended a moment
// ago. One is at most some 4 KiB.
const endingsSize = 1024

// endings remembers, for each Job, the pod that tells most about why it may fail. The Job controller deletes the pods of
// a Job that runs into its deadline, and only then says that it failed; and the kubelet, when it stops a container that
// never started, forgets why. It is this process's memory: after a restart, what is gone is gone.
type endings struct{ byJob *lru.Cache }

func newEndings() endings { return endings{byJob: lru.New(endingsSize)} }

// of returns what is known of the Job's pods, or nil.
func (e endings) of(job types.UID) *ending {
	known, _ := e.byJob.Get(job)
	found, _ := known.(*ending)
	return found
}

// note keeps what the pod tells, if it may soon tell no more. It must not be called for two pods at once; informers do not.
func (e endings) note(object client.Object, deleted bool) {
	pod, ok := object.(*corev1.Pod)
	owner := metav1.GetControllerOf(object)
	if !ok || owner == nil {
		return
	}
	known, told := e.of(owner.UID), failureOf(pod)
	leaving := deleted || !pod.DeletionTimestamp.IsZero()
	switch {
	case told == nil && known != nil && known.weight == weightHeld && known.result.Pod == pod.Name && !leaving:
		e.byJob.Remove(owner.UID) // It started after all.
	case told != nil && (leaving || told.weight == weightHeld) && told.outweighs(known):
		e.byJob.Add(owner.UID, told)
	}
}
