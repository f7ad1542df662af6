package faults

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	namespace = "faults"

	// payloadVariable is the environment variable that gets the payload.
	payloadVariable = "PAYLOAD"

	// ttl is how many seconds most executions are kept: longer than a key is used.
	ttl = 30
)

// Templates, named after what is special about them.
const (
	plain      = "plain"
	fails      = "fails"       // its pods fail
	short      = "short"       // executions go as soon as they end
	jobTTL     = "job-ttl"     // the Job goes as soon as it ends, the execution stays
	withJob    = "with-job"    // the execution goes when its Job goes
	randomName = "random-name" // its Job has another name at every render
	suspended  = "suspended"   // its Job waits until somebody resumes it
	onlyJSON   = "only-json"   // refuses other payloads
	edited     = "edited"      // is changed, deleted and made again, all the time
	missing    = "missing"     // does not exist
)

// everything returns all templates that exist.
func everything() []*dispatcherv1alpha1.JobTemplate {
	return []*dispatcherv1alpha1.JobTemplate{
		template(plain),
		template(fails),
		template(short, func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.TTLSecondsAfterFinished = new(int32(0)) }),
		template(jobTTL, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Spec.TTLSecondsAfterFinished = new(int32(0))
		}),
		template(withJob, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.TTLSecondsAfterFinished, t.Spec.JobTemplate.Spec.TTLSecondsAfterFinished = nil, new(int32(5))
		}),
		template(randomName, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Name = "random-{{ randAlphaNum 10 | lower }}"
		}),
		template(suspended, func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.JobTemplate.Spec.Suspend = new(true) }),
		template(onlyJSON, refuseText),
		template(edited),
	}
}

// refuseText lets a template refuse what is not JSON.
func refuseText(t *dispatcherv1alpha1.JobTemplate) {
	container := &t.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
	container.Env[0] = corev1.EnvVar{Name: "JSON", Value: "{{ mustFromJson .Payload | toJson }}"}
	t.Spec.SamplePayload = new("{}")
}

func template(name string, change ...func(*dispatcherv1alpha1.JobTemplate)) *dispatcherv1alpha1.JobTemplate {
	made := &dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: dispatcherv1alpha1.JobTemplateSpec{
			TTLSecondsAfterFinished: new(int32(ttl)),
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
				BackoffLimit: new(int32(0)),
				Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever,
					Containers: []corev1.Container{{
						Name: "main", Image: "alpine:latest",
						Env: []corev1.EnvVar{{Name: payloadVariable, Value: "{{ .Payload }}"}},
					}},
				}},
			}},
		},
	}
	for _, c := range change {
		c(made)
	}
	return made
}
