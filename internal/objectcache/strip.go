package objectcache

import (
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// The functions below are transforms of informers. An informer may call one again with its result, which must then stay
// the same.

// stripTemplate keeps what identifies a JobTemplate and whether it is ready, and passes the whole on to the Cache.
func (c *Cache) stripTemplate(object any) (any, error) {
	template, ok := object.(*dispatcherv1alpha1.JobTemplate)
	if !ok {
		return object, nil
	}
	stripped := &dispatcherv1alpha1.JobTemplate{TypeMeta: template.TypeMeta, ObjectMeta: identity(template.ObjectMeta)}
	stripped.Annotations = map[string]string{annotationIncomplete: "spec"}
	stripped.Spec.StartDeadlineSeconds = template.Spec.StartDeadlineSeconds
	if !IsIncomplete(template) || !equality.Semantic.DeepEqual(template.Spec, stripped.Spec) {
		c.keepTemplate(template)
		setFingerprint(stripped, metav1.ObjectMeta{Labels: template.Labels, Annotations: template.Annotations})
	} else {
		keepFingerprint(stripped, template)
	}
	stripped.Status = stripTemplateStatus(template.Status)
	return stripped, nil
}

// stripTemplateStatus keeps whether the template is ready.
func stripTemplateStatus(status dispatcherv1alpha1.JobTemplateStatus) dispatcherv1alpha1.JobTemplateStatus {
	stripped := dispatcherv1alpha1.JobTemplateStatus{ObservedGeneration: status.ObservedGeneration}
	if ready := meta.FindStatusCondition(status.Conditions, dispatcherv1alpha1.ConditionReady); ready != nil {
		stripped.Conditions = []metav1.Condition{{Type: dispatcherv1alpha1.ConditionReady, Status: ready.Status}}
	}
	return stripped
}

// stripExecution removes the payload, which may be 1 MiB. A small one stays until the status names the Job: no second
// Job is ever created. A larger one is passed on to the Cache until then. Of the metadata of users nothing stays.
func (c *Cache) stripExecution(object any) (any, error) {
	execution, ok := object.(*dispatcherv1alpha1.JobExecution)
	if !ok {
		return object, nil
	}
	stripped := &dispatcherv1alpha1.JobExecution{
		TypeMeta:   execution.TypeMeta,
		ObjectMeta: identity(execution.ObjectMeta),
		Spec:       execution.Spec,
		Status:     execution.Status,
	}
	stripped.SetMissingTimes()
	stripped.Labels = only(execution.Labels, dispatcherv1alpha1.LabelJobTemplate)
	stripped.Annotations = only(execution.Annotations, dispatcherv1alpha1.AnnotationReceivedAt)
	payload := execution.Spec.Payload
	needsNoPayload := execution.Status.Job != nil || execution.IsFinished()
	switch {
	case needsNoPayload:
		c.payloads.remove(execution.UID)
	case len(payload) > smallPayload:
		c.payloads.put(execution.UID, payload, int64(len(payload)))
	}
	if payload == "" && IsIncomplete(execution) || payload != "" && needsNoPayload || len(payload) > smallPayload {
		stripped.Spec.Payload = ""
		metav1.SetMetaDataAnnotation(&stripped.ObjectMeta, annotationIncomplete, "payload")
	}
	return stripped, nil
}

// stripJob keeps what the controller reads of a Job. The rendered spec contains the payload.
func stripJob(object any) (any, error) {
	job, ok := object.(*batchv1.Job)
	if !ok {
		return object, nil
	}
	stripped := &batchv1.Job{
		TypeMeta:   job.TypeMeta,
		ObjectMeta: identity(job.ObjectMeta),
		Spec: batchv1.JobSpec{
			Parallelism:             job.Spec.Parallelism,
			Suspend:                 job.Spec.Suspend,
			TTLSecondsAfterFinished: job.Spec.TTLSecondsAfterFinished,
		},
		Status: batchv1.JobStatus{
			Active:         job.Status.Active,
			Ready:          job.Status.Ready,
			Succeeded:      job.Status.Succeeded,
			Failed:         job.Status.Failed,
			StartTime:      job.Status.StartTime,
			CompletionTime: job.Status.CompletionTime,
			Conditions:     stripJobConditions(job.Status.Conditions),
		},
	}
	if manager := job.Spec.ManagedBy; manager != nil {
		stripped.Spec.ManagedBy = new(upTo(maxName, *manager))
	}
	stripped.Labels = only(job.Labels, dispatcherv1alpha1.LabelJobExecution)
	stripped.Annotations = only(
		job.Annotations,
		dispatcherv1alpha1.AnnotationJobTemplateUID,
		dispatcherv1alpha1.AnnotationJobTemplateGeneration,
		dispatcherv1alpha1.AnnotationJobTTL,
		dispatcherv1alpha1.AnnotationStartDeadline,
	)
	stripped.OwnerReferences = controllerOf(job)
	return stripped, nil
}

// stripJobConditions keeps the conditions that end a Job.
func stripJobConditions(conditions []batchv1.JobCondition) []batchv1.JobCondition {
	var kept []batchv1.JobCondition
	for _, condition := range conditions {
		switch condition.Type {
		case batchv1.JobComplete, batchv1.JobFailed, batchv1.JobSuccessCriteriaMet, batchv1.JobFailureTarget:
			condition.Reason, condition.Message = upTo(maxName, condition.Reason), upTo(maxMessage, condition.Message)
			kept = append(kept, condition)
		}
	}
	return kept
}

// stripPod keeps what the controller reads of a pod.
func stripPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	stripped := &corev1.Pod{
		TypeMeta:   pod.TypeMeta,
		ObjectMeta: identity(pod.ObjectMeta),
		Spec:       corev1.PodSpec{SchedulerName: upTo(maxName, pod.Spec.SchedulerName)},
		Status: corev1.PodStatus{
			Phase:                 pod.Status.Phase,
			Reason:                upTo(maxMessage, pod.Status.Reason),
			Message:               upTo(maxMessage, pod.Status.Message),
			InitContainerStatuses: stripContainers(pod.Status.InitContainerStatuses),
			ContainerStatuses:     stripContainers(pod.Status.ContainerStatuses),
		},
	}
	stripped.Labels = only(pod.Labels, dispatcherv1alpha1.LabelJobExecution)
	stripped.OwnerReferences = controllerOf(pod)
	stripped.Status.Conditions = stripPodConditions(pod.Status.Conditions)
	return stripped, nil
}

// stripPodConditions keeps the conditions that tell why a pod does not start, or why it was stopped.
func stripPodConditions(conditions []corev1.PodCondition) []corev1.PodCondition {
	var kept []corev1.PodCondition
	for _, condition := range conditions {
		switch condition.Type {
		case corev1.PodScheduled, corev1.PodReadyToStartContainers, corev1.DisruptionTarget:
			condition.Reason, condition.Message = upTo(maxName, condition.Reason), upTo(maxPodMessage, condition.Message)
			kept = append(kept, condition)
		}
	}
	return kept
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

const (
	// maxName is the length up to which a name, a UID or the value of an annotation is kept. Ours are shorter.
	maxName = 256

	// maxMessage is the length up to which the message of a condition is kept. A status has less of it.
	maxMessage = 4 << 10

	// maxPodMessage is the length up to which the message of a pod's condition is kept. Jobs may have many pods.
	maxPodMessage = 1 << 10
)

// identity returns the metadata that the API server sets and the name. Labels, annotations, owner references and
// finalizers may have any size.
func identity(object metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace:                  object.Namespace,
		Name:                       object.Name,
		UID:                        object.UID,
		ResourceVersion:            object.ResourceVersion,
		Generation:                 object.Generation,
		CreationTimestamp:          object.CreationTimestamp,
		DeletionTimestamp:          object.DeletionTimestamp,
		DeletionGracePeriodSeconds: object.DeletionGracePeriodSeconds,
	}
}

// only returns the entries of some keys, without values that are too long to be ours.
func only(entries map[string]string, keys ...string) map[string]string {
	var kept map[string]string
	for _, key := range keys {
		value, ok := entries[key]
		if !ok || len(value) > maxName {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[key] = value
	}
	return kept
}

// controllerOf returns the controller reference, unless it is too long to name an object.
func controllerOf(object metav1.Object) []metav1.OwnerReference {
	owner := metav1.GetControllerOf(object)
	if owner == nil || max(len(owner.APIVersion), len(owner.Kind), len(owner.Name), len(owner.UID)) > maxName {
		return nil
	}
	return []metav1.OwnerReference{*owner}
}

// upTo returns the text, or its beginning if it is longer than limit bytes.
func upTo(limit int, text string) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
