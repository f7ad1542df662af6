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

// newNamespace makes a namespace for one spec. It is deleted afterwards, and nobody waits for that.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, namespace))).To(Succeed())
	})
	return namespace.Name
}

// newTemplate returns a template whose Job gets the payload as an environment variable. It is not stored yet.
func newTemplate(namespace string, change ...func(*dispatcherv1alpha1.JobTemplate)) *dispatcherv1alpha1.JobTemplate {
	template := &dispatcherv1alpha1.JobTemplate{
		TypeMeta:   metav1.TypeMeta{APIVersion: dispatcherv1alpha1.GroupVersion.String(), Kind: "JobTemplate"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "echo"},
		Spec: dispatcherv1alpha1.JobTemplateSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
			BackoffLimit: new(int32(0)),
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers: []corev1.Container{{
					Name: "echo", Image: "alpine:latest",
					Command: []string{"echo", "$(PAYLOAD)"},
					Env:     []corev1.EnvVar{{Name: "PAYLOAD", Value: "{{ .Payload }}"}},
				}},
			}},
		}}},
	}
	for _, c := range change {
		c(template)
	}
	return template
}

// createTemplate stores a template of newTemplate.
func createTemplate(ctx context.Context, namespace string, change ...func(*dispatcherv1alpha1.JobTemplate)) *dispatcherv1alpha1.JobTemplate {
	GinkgoHelper()
	template := newTemplate(namespace, change...)
	Expect(admin.Create(ctx, template)).To(Succeed())
	return template
}

// job is the Job in a template.
func job(template *dispatcherv1alpha1.JobTemplate) *batchv1.JobSpec {
	return &template.Spec.JobTemplate.Spec
}

// container is the container in a template.
func container(template *dispatcherv1alpha1.JobTemplate) *corev1.Container {
	return &job(template).Template.Spec.Containers[0]
}

// newExecution returns an execution of the template called echo. It is not stored yet.
func newExecution(namespace, name, payload string) *dispatcherv1alpha1.JobExecution {
	return &dispatcherv1alpha1.JobExecution{
		TypeMeta:   metav1.TypeMeta{APIVersion: dispatcherv1alpha1.GroupVersion.String(), Kind: "JobExecution"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: "echo", Payload: payload},
	}
}

// createExecution stores an execution of the template called echo.
func createExecution(ctx context.Context, namespace, name, payload string) *dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	execution := newExecution(namespace, name, payload)
	Expect(admin.Create(ctx, execution)).To(Succeed())
	return execution
}

// eventuallyJob waits for the Job of an execution whose template gives it no name of its own.
func eventuallyJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) *batchv1.Job {
	GinkgoHelper()
	created := &batchv1.Job{}
	Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(execution), created) }).
		WithContext(ctx).Should(Succeed(), "the Job of the execution")
	return created
}

// jobs lists the Jobs of a namespace.
func jobs(ctx context.Context, namespace string) []batchv1.Job {
	GinkgoHelper()
	list := &batchv1.JobList{}
	Expect(admin.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
	return list.Items
}

// executions lists the executions of a namespace.
func executions(ctx context.Context, namespace string) []dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	list := &dispatcherv1alpha1.JobExecutionList{}
	Expect(admin.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
	return list.Items
}

// pods lists the pods of an execution.
func pods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) []corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(admin.List(ctx, list, client.InNamespace(execution.Namespace),
		client.MatchingLabels{dispatcherv1alpha1.LabelJobExecution: execution.Name})).To(Succeed())
	return list.Items
}

// endPods does what a kubelet does when the containers of an execution's pods end, now or as soon as there are pods.
func endPods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, phase corev1.PodPhase) {
	GinkgoHelper()
	Eventually(func() int { return endPodsThatAreThere(ctx, execution, phase) }).WithContext(ctx).ShouldNot(BeZero(), "pods to end")
}

// endPodsThatAreThere does not wait. It returns how many pods have ended.
func endPodsThatAreThere(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, phase corev1.PodPhase) int {
	GinkgoHelper()
	found := pods(ctx, execution)
	for i := range found {
		patch := client.MergeFrom(found[i].DeepCopy())
		found[i].Status.Phase = phase
		Expect(client.IgnoreNotFound(admin.Status().Patch(ctx, &found[i], patch))).To(Succeed())
	}
	return len(found)
}
