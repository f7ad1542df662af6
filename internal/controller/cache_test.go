package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

func TestCacheOptions(t *testing.T) {
	selected := 0
	for object, options := range CacheOptions() {
		object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubectl"}})
		kept, err := options.Transform(object)
		if err != nil || kept.(client.Object).GetManagedFields() != nil {
			t.Errorf("%T keeps its managed fields (error %v)", object, err)
		}
		if options.Label == nil {
			continue
		}
		selected++
		if !options.Label.Matches(labels.Set{dispatcherv1alpha1.LabelJobExecution: "run"}) {
			t.Errorf("the cache lacks each %T of an execution", object)
		}
		if options.Label.Matches(labels.Set{"app": "something"}) {
			t.Errorf("the cache holds each %T of others", object)
		}
	}
	if selected != 2 {
		t.Errorf("%d kinds are selected by label, want Jobs and pods", selected)
	}
}

// A payload is kept for as long as a Job may have to be made of it.
func TestStripExecution(t *testing.T) {
	for _, test := range []struct {
		reason    string
		execution *dispatcherv1alpha1.JobExecution
		want      string
	}{
		{"it waits for its Job", newExecution(), "world"},
		{"its template named the Job, which is not known to exist",
			newExecution(func(e *dispatcherv1alpha1.JobExecution) { e.Status.JobName = "named" }), "world"},
		{"its Job is known: if that is gone, no other is made", newExecution(ranWith(active)), ""},
		{"it succeeded", newExecution(ranWith(complete)), ""},
		{"it failed", newExecution(ranWith(failed(""))), ""},
	} {
		test.execution.Annotations = map[string]string{
			corev1.LastAppliedConfigAnnotation:     "all of it",
			"example.com/large":                    "much",
			dispatcherv1alpha1.AnnotationRequestID: "1",
		}
		want := test.execution.DeepCopy()
		want.Spec.Payload = test.want
		delete(want.Annotations, corev1.LastAppliedConfigAnnotation)
		delete(want.Annotations, "example.com/large")
		kept, err := stripExecution(test.execution)
		if diff := cmp.Diff(want, kept); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", test.reason, err, diff)
		}
	}
}

// Of a Job the cache keeps what tells of its state, and of its spec what a status is derived from.
func TestStripJob(t *testing.T) {
	want := newJob(complete, withTTL(60), withoutPods, suspended)
	job := want.DeepCopy()
	metav1.SetMetaDataAnnotation(&job.ObjectMeta, "example.com/large", "much")
	job.Spec.Template.Spec.Containers = []corev1.Container{
		{Name: "hello", Env: []corev1.EnvVar{{Name: "PAYLOAD", Value: "large"}}},
	}
	kept, err := stripJob(job)
	if diff := cmp.Diff(want, kept); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// The cache keeps of a pod what the controller reads, and not a byte of its spec.
func TestStripPod(t *testing.T) {
	pod := newPod(exited(1, "Error", "sorry", 9), stopped(8))
	pod.ResourceVersion = "7"
	pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 2}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
	want := pod.DeepCopy()
	want.Finalizers = nil

	pod.Spec.Containers = []corev1.Container{{Name: "hello", Env: []corev1.EnvVar{{Name: "PAYLOAD", Value: "large"}}}}
	pod.Labels["team"] = "data"
	pod.Annotations = map[string]string{"cni": "network"}
	pod.OwnerReferences = append(pod.OwnerReferences, metav1.OwnerReference{Name: "no controller"})
	pod.Status.PodIP, pod.Status.ContainerStatuses[0].ImageID = "10.0.0.1", "sha256"
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady})
	kept, err := stripPod(pod)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
	if other, err := stripPod(&batchv1.Job{}); err != nil || other == nil {
		t.Errorf("what is no pod became %v (error %v)", other, err)
	}
}
