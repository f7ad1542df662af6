package controller

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// CacheOptions returns what the manager's cache holds of each kind that the controller watches: of Jobs and pods only
// those that Dispatcher made, since a cluster may have many others, and of each only what is used.
//
// What the cache lacks must not be written back: the controller writes by patches of what it changes, and never updates.
func CacheOptions() map[client.Object]cache.ByObject {
	made := madeByDispatcher()
	return map[client.Object]cache.ByObject{
		&dispatcherv1alpha1.JobTemplate{}:  {Transform: cache.TransformStripManagedFields()},
		&dispatcherv1alpha1.JobExecution{}: {Transform: keepOfExecution},
		&batchv1.Job{}:                     {Transform: keepOfJob, Label: made},
		&corev1.Pod{}:                      {Transform: keepOfPod, Label: made},
	}
}

// madeByDispatcher selects what has the label of an execution, whatever its value.
func madeByDispatcher() labels.Selector {
	exists, err := labels.NewRequirement(dispatcherv1alpha1.LabelJobExecution, selection.Exists, nil)
	if err != nil {
		panic(err) // The key is a constant and valid.
	}
	return labels.NewSelector().Add(*exists)
}

// keepOfExecution leaves out the payload, which may be a MiB, once nothing can come of it: it is needed for as long as a Job
// may have to be made. What kubectl applied contains it once more.
func keepOfExecution(object any) (any, error) {
	execution, ok := object.(*dispatcherv1alpha1.JobExecution)
	if !ok {
		return object, nil
	}
	execution.ManagedFields = nil
	delete(execution.Annotations, corev1.LastAppliedConfigAnnotation)
	if execution.IsFinished() {
		execution.Spec.Payload = ""
	}
	return execution, nil
}

// keepOfJob leaves out what was rendered, payload included: it is the Job controller's business.
func keepOfJob(object any) (any, error) {
	job, ok := object.(*batchv1.Job)
	if !ok {
		return object, nil
	}
	job.ManagedFields = nil
	job.Spec = batchv1.JobSpec{Suspend: job.Spec.Suspend}
	return job, nil
}

// keepOfPod leaves of a pod what the controller reads, which is a small part of it.
func keepOfPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	kept := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:                  pod.Namespace,
			Name:                       pod.Name,
			UID:                        pod.UID,
			ResourceVersion:            pod.ResourceVersion,
			CreationTimestamp:          pod.CreationTimestamp,
			DeletionTimestamp:          pod.DeletionTimestamp,
			DeletionGracePeriodSeconds: pod.DeletionGracePeriodSeconds,
		},
		Status: corev1.PodStatus{
			Phase:                 pod.Status.Phase,
			Reason:                pod.Status.Reason,
			Message:               pod.Status.Message,
			InitContainerStatuses: keepOfContainers(pod.Status.InitContainerStatuses),
			ContainerStatuses:     keepOfContainers(pod.Status.ContainerStatuses),
		},
	}
	if name, ok := pod.Labels[dispatcherv1alpha1.LabelJobExecution]; ok {
		kept.Labels = map[string]string{dispatcherv1alpha1.LabelJobExecution: name}
	}
	if owner := metav1.GetControllerOf(pod); owner != nil {
		kept.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			kept.Status.Conditions = []corev1.PodCondition{condition}
		}
	}
	return kept, nil
}

func keepOfContainers(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	var kept []corev1.ContainerStatus
	for _, status := range statuses {
		kept = append(kept, corev1.ContainerStatus{
			Name:                 status.Name,
			State:                status.State,
			LastTerminationState: corev1.ContainerState{Terminated: status.LastTerminationState.Terminated},
		})
	}
	return kept
}
