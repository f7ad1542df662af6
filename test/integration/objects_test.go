package integration

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

// newTemplate returns a template whose Job gets the payload as an environment variable. It is not stored yet.
func newTemplate(namespace string, change ...func(*dispatcherv1alpha1.JobTemplate)) *dispatcherv1alpha1.JobTemplate {
	template := user.NewTemplate(namespace, "echo", corev1.Container{
		Name: "echo", Image: "alpine:latest", Command: []string{"echo", "$(PAYLOAD)"},
	})
	for _, c := range change {
		c(template)
	}
	return template
}

// createTemplate stores a template of newTemplate.
func createTemplate(ctx context.Context, namespace string,
	change ...func(*dispatcherv1alpha1.JobTemplate)) *dispatcherv1alpha1.JobTemplate {
	GinkgoHelper()
	template := newTemplate(namespace, change...)
	Expect(admin.Create(ctx, template)).To(Succeed())
	return template
}

// updateTemplate stores a template that was changed. The controller may have written its status since it was read.
func updateTemplate(ctx context.Context, as client.Client, template *dispatcherv1alpha1.JobTemplate) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		stored := &dispatcherv1alpha1.JobTemplate{}
		if err := as.Get(ctx, client.ObjectKeyFromObject(template), stored); err != nil {
			return err
		}
		template.ResourceVersion = stored.ResourceVersion
		return as.Update(ctx, template)
	})
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
	return user.NewExecution(namespace, name, "echo", payload)
}

// createExecution stores an execution of the template called echo.
func createExecution(ctx context.Context, namespace, name, payload string) *dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	execution := newExecution(namespace, name, payload)
	Expect(admin.Create(ctx, execution)).To(Succeed())
	return execution
}

// pin holds an execution with a finalizer of somebody else until the spec ends.
func pin(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
		execution.Finalizers = []string{"example.com/pin"}
		g.Expect(admin.Update(ctx, execution)).To(Succeed())
	}).WithContext(ctx).Should(Succeed())
	DeferCleanup(func(ctx context.Context) {
		patch := []byte(`{"metadata":{"finalizers":null}}`)
		Expect(admin.Patch(ctx, execution, client.RawPatch("application/merge-patch+json", patch))).To(Succeed())
	})
}

// eventuallyJob waits for the Job of an execution whose template gives it no name of its own.
func eventuallyJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) *batchv1.Job {
	GinkgoHelper()
	created := &batchv1.Job{}
	Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(execution), created) }).
		WithContext(ctx).Should(Succeed(), "the Job of the execution")
	return created
}

// endPods does what a kubelet does when the containers of an execution's pods end, now or as soon as there are pods.
func endPods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, phase corev1.PodPhase) {
	GinkgoHelper()
	Eventually(func() int { return endPodsThatAreThere(ctx, execution, phase) }).WithContext(ctx).
		ShouldNot(BeZero(), "pods to end")
}

// endPodsThatAreThere does not wait. It returns how many pods have ended.
func endPodsThatAreThere(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, phase corev1.PodPhase) int {
	GinkgoHelper()
	found := admin.Pods(ctx, execution)
	for i := range found {
		patch := client.MergeFrom(found[i].DeepCopy())
		found[i].Status.Phase = phase
		Expect(client.IgnoreNotFound(admin.Status().Patch(ctx, &found[i], patch))).To(Succeed())
	}
	return len(found)
}
