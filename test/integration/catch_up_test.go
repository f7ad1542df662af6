package integration

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// sentinels is the namespace of the executions that letTheControllerCatchUp makes.
const sentinels = "sentinels"

// installSentinels makes that namespace, and a template whose Jobs are left alone by the Job controller.
func installSentinels(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: sentinels}})).To(Succeed())
	createTemplate(ctx, sentinels, func(t *dispatcherv1alpha1.JobTemplate) {
		job(t).ManagedBy = new("example.com/nobody")
	})
}

// letTheControllerCatchUp returns when the controller has brought another execution to its end. On the way it learns
// of each kind that it watches: of the execution, then of a pod, then of the Job. What it did not do about an earlier
// event until then, it will not do: events come in order, the queue is in order, and its workers are many.
func letTheControllerCatchUp(ctx context.Context) {
	GinkgoHelper()
	sentinel := newExecution(sentinels, "", "")
	sentinel.GenerateName = "sentinel-"
	Expect(admin.Create(ctx, sentinel)).To(Succeed())
	created := eventuallyJob(ctx, sentinel)

	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: sentinels, Name: sentinel.Name}}
	pod.Labels = created.Spec.Template.Labels
	owner := metav1.NewControllerRef(created, batchv1.SchemeGroupVersion.WithKind("Job"))
	pod.OwnerReferences = []metav1.OwnerReference{*owner}
	pod.Spec = *created.Spec.Template.Spec.DeepCopy()
	Expect(admin.Create(ctx, pod)).To(Succeed())
	patch := client.MergeFrom(pod.DeepCopy())
	unschedulable("nobody runs it")(&pod.Status)
	Expect(admin.Status().Patch(ctx, pod, patch)).To(Succeed())
	eventuallyState(ctx, sentinel, waiting(dispatcherv1alpha1.ReasonUnschedulable))

	now := metav1.Now()
	created.Status.StartTime = &now
	for _, kind := range []batchv1.JobConditionType{batchv1.JobFailureTarget, batchv1.JobFailed} {
		created.Status.Conditions = append(created.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonBackoffLimitExceeded,
			LastProbeTime: now, LastTransitionTime: now,
		})
	}
	Expect(admin.Status().Update(ctx, created)).To(Succeed())
	eventuallyState(ctx, sentinel, failed(batchv1.JobReasonBackoffLimitExceeded))
}
