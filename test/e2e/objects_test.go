package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

// newNamespace makes a namespace for one spec, in which pods can be made.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := admin.NewNamespace(ctx)
	admin.DeleteAfterwards(namespace)
	// Where the controller is slow to make it, the first pod is refused, and the Job tries again seconds later.
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}}
	Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(account), account) }).WithContext(ctx).
		Should(Succeed())
	return namespace
}

// newTemplate returns a template that runs a command and has the payload in the variable PAYLOAD. It is not stored yet.
func newTemplate(namespace, name string, command ...string) *dispatcherv1alpha1.JobTemplate {
	template := user.NewTemplate(namespace, name, corev1.Container{Name: "main", Image: "busybox", Command: command})
	// A process that is pid 1 and does not handle TERM would be waited for.
	job(template).Template.Spec.TerminationGracePeriodSeconds = new(int64(1))
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

// createTemplate stores a template of newTemplate.
func createTemplate(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) {
	GinkgoHelper()
	Expect(admin.Create(ctx, template)).To(Succeed())
}

// eventuallyFinished waits for the end of an execution, and returns its summary.
func eventuallyFinished(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) metav1.Condition {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
		g.Expect(execution.IsFinished()).To(BeTrue())
	}).WithContext(ctx).Should(Succeed(), "%s finishes", execution.Name)
	return execution.Summary()
}

// logOf is what the one pod of an execution printed.
func logOf(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) string {
	GinkgoHelper()
	return logOfContainer(ctx, execution, "")
}

// logOfContainer is what one container of that pod printed.
func logOfContainer(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, container string) string {
	GinkgoHelper()
	of := admin.Pods(ctx, execution)
	Expect(of).To(HaveLen(1))
	printed, err := kubernetes.NewForConfigOrDie(config).CoreV1().Pods(execution.Namespace).
		GetLogs(of[0].Name, &corev1.PodLogOptions{Container: container}).DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred())
	return string(printed)
}
