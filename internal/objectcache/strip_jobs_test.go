package objectcache

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Of a Job the cache keeps what tells of its state, and of its spec what a status is derived from.
func TestStripJob(t *testing.T) {
	want := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "run", UID: "1", ResourceVersion: "7",
			Labels: map[string]string{dispatcherv1alpha1.LabelJobExecution: "run"},
			Annotations: map[string]string{
				dispatcherv1alpha1.AnnotationJobTemplateUID:        "2",
				dispatcherv1alpha1.AnnotationJobTemplateGeneration: "3",
				dispatcherv1alpha1.AnnotationJobTTL:                "60",
				dispatcherv1alpha1.AnnotationStartDeadline:         "30",
			},
			OwnerReferences: []metav1.OwnerReference{{Kind: "JobExecution", Name: "run", UID: "4", Controller: new(true)}},
		},
		Spec: batchv1.JobSpec{
			Parallelism: new(int32(0)), Suspend: new(true), TTLSecondsAfterFinished: new(int32(60)),
			ManagedBy: new("kueue.x-k8s.io/multikueue"),
		},
		Status: batchv1.JobStatus{
			Active: 1, Ready: new(int32(1)), Succeeded: 2, Failed: 3, StartTime: &metav1.Time{}, CompletionTime: &metav1.Time{},
			Conditions: []batchv1.JobCondition{
				{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue},
				{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, Reason: "CompletionsReached", Message: "done"},
				{Type: batchv1.JobFailureTarget}, {Type: batchv1.JobFailed},
			},
		},
	}
	job := want.DeepCopy()
	job.Labels["team"], job.Annotations["example.com/large"] = "data", large
	job.Finalizers = []string{"example.com/other"}
	job.OwnerReferences = append(job.OwnerReferences, metav1.OwnerReference{Name: "no controller"})
	job.Spec.Template.Spec.Containers = []corev1.Container{{Name: "hello"}}
	job.Status.CompletedIndexes = "0-9"
	job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: batchv1.JobSuspended})
	if diff := cmp.Diff(want, New().transform(t, job)); diff != "" {
		t.Errorf("Job (-want +got):\n%s", diff)
	}
}

// The cache keeps of a pod what the controller reads.
func TestStripPod(t *testing.T) {
	ended := &corev1.ContainerStateTerminated{ExitCode: 2, Message: "sorry"}
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "run-x", UID: "1", ResourceVersion: "7",
			DeletionTimestamp: &metav1.Time{}, DeletionGracePeriodSeconds: new(int64(30)),
			Labels:          map[string]string{dispatcherv1alpha1.LabelJobExecution: "run"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: "run", UID: "4", Controller: new(true)}},
		},
		Spec: corev1.PodSpec{SchedulerName: "volcano"},
		Status: corev1.PodStatus{
			Phase: corev1.PodFailed, Reason: "Evicted", Message: "no room",
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
				{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionFalse},
				{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI", Message: "drained"},
			},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "hello", State: corev1.ContainerState{Terminated: ended},
				LastTerminationState: corev1.ContainerState{Terminated: ended},
			}},
		},
	}
	pod := want.DeepCopy()
	pod.Spec.Containers = []corev1.Container{{Name: "hello"}}
	pod.Labels["team"] = "data"
	pod.Annotations = map[string]string{"cni": "network"}
	pod.Finalizers = []string{batchv1.JobTrackingFinalizer}
	pod.OwnerReferences = append(pod.OwnerReferences, metav1.OwnerReference{Name: "no controller"})
	pod.Status.PodIP, pod.Status.ContainerStatuses[0].ImageID = "10.0.0.1", "sha256"
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady})
	if diff := cmp.Diff(want, New().transform(t, pod)); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
}
