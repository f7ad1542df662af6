package controller

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// CacheOptions returns the options of the manager's cache for each kind that the controller watches: of Jobs and pods
// only those of executions are cached, since a cluster may have many others, and of each object only what is used.
//
// Cached objects are incomplete and must not be written back: the controller writes patches and never updates.
func CacheOptions() map[client.Object]cache.ByObject {
	selector := ofExecutions()
	return map[client.Object]cache.ByObject{
		&dispatcherv1alpha1.JobTemplate{}:  {Transform: stripTemplate},
		&dispatcherv1alpha1.JobExecution{}: {Transform: stripExecution},
		&batchv1.Job{}:                     {Transform: stripJob, Label: selector},
		&corev1.Pod{}:                      {Transform: stripPod, Label: selector},
	}
}

// ofExecutions selects the objects that have the label of an execution.
func ofExecutions() labels.Selector {
	exists, err := labels.NewRequirement(dispatcherv1alpha1.LabelJobExecution, selection.Exists, nil)
	if err != nil {
		panic(err) // The key is a constant and valid.
	}
	return labels.NewSelector().Add(*exists)
}

// stripExecution removes the payload, which may be 1 MiB, once the status names the Job: no second Job is ever created,
// and whatever else needs the payload reads it from the API server. It also removes all foreign
// annotations: that of kubectl apply contains the payload again.
func stripExecution(object any) (any, error) {
	execution, ok := object.(*dispatcherv1alpha1.JobExecution)
	if !ok {
		return object, nil
	}
	execution.ManagedFields = nil
	execution.Annotations = ownAnnotations(execution.Annotations)
	if execution.Status.Job != nil || execution.IsFinished() {
		execution.Spec.Payload = ""
	}
	return execution, nil
}

// stripTemplate removes what no render can see.
func stripTemplate(object any) (any, error) {
	template, ok := object.(*dispatcherv1alpha1.JobTemplate)
	if !ok {
		return object, nil
	}
	template.ManagedFields = nil
	delete(template.Annotations, corev1.LastAppliedConfigAnnotation)
	return template, nil
}

// ownAnnotations returns the annotations of Dispatcher, without those of others, which may be large.
func ownAnnotations(annotations map[string]string) map[string]string {
	var own map[string]string
	for key, value := range annotations {
		if strings.HasPrefix(key, dispatcherv1alpha1.GroupVersion.Group+"/") {
			if own == nil {
				own = map[string]string{}
			}
			own[key] = value
		}
	}
	return own
}

// stripJob removes the rendered spec, which contains the payload, except what the controller reads, and foreign
// annotations.
func stripJob(object any) (any, error) {
	job, ok := object.(*batchv1.Job)
	if !ok {
		return object, nil
	}
	job.ManagedFields = nil
	job.Annotations = ownAnnotations(job.Annotations)
	job.Spec = batchv1.JobSpec{
		Parallelism:             job.Spec.Parallelism,
		Suspend:                 job.Spec.Suspend,
		TTLSecondsAfterFinished: job.Spec.TTLSecondsAfterFinished,
	}
	return job, nil
}

// stripPod keeps the small part of a pod that the controller reads.
func stripPod(object any) (any, error) {
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
			InitContainerStatuses: stripContainers(pod.Status.InitContainerStatuses),
			ContainerStatuses:     stripContainers(pod.Status.ContainerStatuses),
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

func stripContainers(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
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
