package integration

import (
	"context"
	"maps"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// The manager's cache lacks the metadata of others. Its writes must not remove it.
var _ = Describe("The metadata of others", func() {
	const key, finalizer = "example.com/theirs", "example.com/theirs"

	It("survives every write of the controller", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "owner"}}
		Expect(admin.Create(ctx, owner)).To(Succeed())
		mark := func(object client.Object) {
			object.SetLabels(with(object.GetLabels(), key))
			object.SetAnnotations(with(object.GetAnnotations(), key))
			object.SetFinalizers(append(object.GetFinalizers(), finalizer))
			object.SetOwnerReferences(append(object.GetOwnerReferences(), metav1.OwnerReference{
				APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID,
			}))
		}
		marked := func(object client.Object) {
			GinkgoHelper()
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
			Expect(object.GetLabels()).To(HaveKey(key))
			Expect(object.GetAnnotations()).To(HaveKey(key))
			Expect(object.GetFinalizers()).To(ContainElement(finalizer))
			Expect(object.GetOwnerReferences()).To(ContainElement(HaveField("UID", owner.UID)))
		}

		By("creating an execution whose template names the Job and sets its TTL")
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Name = "named-{{ .Name }}"
			job(t).TTLSecondsAfterFinished = new(int32(600))
		})
		execution := newExecution(namespace, "marked", "payload")
		mark(execution)
		Expect(admin.Create(ctx, execution)).To(Succeed())
		releaseAfterwards(execution)
		eventuallyState(ctx, execution, running)
		started := execution.DeepCopy()
		started.Name = "named-marked"
		made := eventuallyJob(ctx, started)

		By("marking the Job, and removing the label by which the controller finds it")
		patch := client.MergeFrom(made.DeepCopy())
		mark(made)
		delete(made.Labels, dispatcherv1alpha1.LabelJobExecution)
		Expect(admin.Patch(ctx, made, patch)).To(Succeed())
		releaseAfterwards(made)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(made), made)).To(Succeed())
			g.Expect(made.Labels).To(HaveKey(dispatcherv1alpha1.LabelJobExecution))
		}).WithContext(ctx).Should(Succeed(), "the label is restored")
		marked(made)

		By("ending the Job, whose TTL is then restored")
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(made), made)).To(Succeed())
			g.Expect(made.Spec.TTLSecondsAfterFinished).To(HaveValue(BeEquivalentTo(600)))
		}).WithContext(ctx).Should(Succeed(), "the TTL is restored")
		marked(made)
		marked(execution)
	})
})

// with returns the entries and one more.
func with(entries map[string]string, key string) map[string]string {
	all := map[string]string{key: "kept"}
	maps.Copy(all, entries)
	return all
}

// releaseAfterwards removes the finalizers of an object when the spec ends.
func releaseAfterwards(object client.Object) {
	DeferCleanup(func(ctx context.Context) {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		Expect(client.IgnoreNotFound(admin.Patch(ctx, object, patch))).To(Succeed())
	})
}
