package user

import (
	"context"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Admin may do everything, and reads past every cache.
type Admin struct{ client.WithWatch }

// NewNamespace makes a namespace for one spec. It stays, unless DeleteAfterwards is called: for each namespace that is
// deleted, the namespace controller lists and deletes every type of object, and a suite with hundreds of them does
// little else.
func (a Admin) NewNamespace(ctx context.Context) string {
	ginkgo.GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	gomega.Expect(a.Create(ctx, namespace)).To(gomega.Succeed())
	return namespace.Name
}

// DeleteAfterwards deletes a namespace when the spec ends. It does not wait until the namespace is gone.
func (a Admin) DeleteAfterwards(namespace string) {
	ginkgo.DeferCleanup(func(ctx context.Context) {
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		gomega.Expect(client.IgnoreNotFound(a.Delete(ctx, object))).To(gomega.Succeed())
	})
}

// Executions lists the executions of a namespace.
func (a Admin) Executions(ctx context.Context, namespace string) []dispatcherv1alpha1.JobExecution {
	ginkgo.GinkgoHelper()
	list := &dispatcherv1alpha1.JobExecutionList{}
	gomega.Expect(a.List(ctx, list, client.InNamespace(namespace))).To(gomega.Succeed())
	return list.Items
}

// Jobs lists the Jobs of a namespace.
func (a Admin) Jobs(ctx context.Context, namespace string) []batchv1.Job {
	ginkgo.GinkgoHelper()
	list := &batchv1.JobList{}
	gomega.Expect(a.List(ctx, list, client.InNamespace(namespace))).To(gomega.Succeed())
	return list.Items
}

// Pods lists the pods of an execution, by the label that Dispatcher gives them.
func (a Admin) Pods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) []corev1.Pod {
	ginkgo.GinkgoHelper()
	list := &corev1.PodList{}
	gomega.Expect(a.List(ctx, list, client.InNamespace(execution.Namespace),
		client.MatchingLabels{dispatcherv1alpha1.LabelJobExecution: execution.Name})).To(gomega.Succeed())
	return list.Items
}
