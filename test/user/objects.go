package user

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// NewTemplate returns a template that runs one container, once, with the payload in the variable PAYLOAD. It is not
// stored yet.
func NewTemplate(namespace, name string, container corev1.Container) *dispatcherv1alpha1.JobTemplate {
	container.Env = []corev1.EnvVar{{Name: "PAYLOAD", Value: "{{ .Payload }}"}}
	return &dispatcherv1alpha1.JobTemplate{
		TypeMeta:   metav1.TypeMeta{APIVersion: dispatcherv1alpha1.GroupVersion.String(), Kind: "JobTemplate"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: dispatcherv1alpha1.JobTemplateSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
			BackoffLimit: new(int32(0)),
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers:    []corev1.Container{container},
			}},
		}}},
	}
}

// NewExecution returns an execution. It is not stored yet.
func NewExecution(namespace, name, template, payload string) *dispatcherv1alpha1.JobExecution {
	return &dispatcherv1alpha1.JobExecution{
		TypeMeta:   metav1.TypeMeta{APIVersion: dispatcherv1alpha1.GroupVersion.String(), Kind: "JobExecution"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: template, Payload: payload},
	}
}
