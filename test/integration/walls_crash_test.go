package integration

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var _ = walls("A template that is changed while its execution waits", func(namespace func() string) {
	for what, text := range map[string]string{
		"runs out of stack":  hostileStack,
		"runs out of time":   hostileTime,
		"runs out of memory": hostileMemory,
		"costs without end":  hostileShares + `{{ $x := dict $v 1 }}`,
	} {
		It("so that it "+what+" ends the execution, and no manager, also at a restart", func(ctx SpecContext) {
			waiting := heldUp(ctx, namespace(), "echo")
			changeTo(ctx, namespace(), "echo", onBoom(text))
			Expect(eventuallyState(ctx, waiting, failed(dispatcherv1alpha1.ReasonRenderFailed)).Status.Job).To(BeNil())
		})
	}
})

var _ = Describe("A template that is changed while its execution waits and no manager runs", Label("walls"), func() {
	It("so that it runs out of stack ends the execution when one comes up, and no manager", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		waiting := heldUp(ctx, namespace, "echo")
		// The change is judged by a manager whose controller does not see it. Then that one is gone.
		release := manager.Proxy.HoldEvents("jobtemplates")
		DeferCleanup(release)
		changeTo(ctx, namespace, "echo", onBoom(hostileStack))
		restartAfterwards()
		manager.Kill()
		release()
		Expect(manager.Start(ctx)).To(Succeed())
		standsThroughout()
		eventuallyState(ctx, waiting, failed(dispatcherv1alpha1.ReasonRenderFailed))
		letTheControllerCatchUp(ctx)
	})
})

// heldUp executes a template with the payload "boom", while a Job of somebody else has the name and does not go.
func heldUp(ctx context.Context, namespace, template string) *dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	foreign := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "held-"}}
	foreign.Finalizers = []string{"example.com/stays"}
	foreign.Spec = *job(newTemplate(namespace))
	foreign.Spec.Template.Spec.Containers[0].Env = nil
	foreign.Spec.Suspend = new(true)
	Expect(admin.Create(ctx, foreign)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		Expect(client.IgnoreNotFound(admin.Patch(ctx, foreign, patch))).To(Succeed())
	})
	Expect(admin.Delete(ctx, foreign, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	execution := user.NewExecution(namespace, foreign.Name, template, "boom")
	Expect(admin.Create(ctx, execution)).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
		g.Expect(state(execution)).To(HavePrefix("Waiting=True"), message(execution))
	}).WithContext(ctx).Should(Succeed())
	return execution
}

// changeTo changes the value in a template.
func changeTo(ctx context.Context, namespace, name, text string) {
	GinkgoHelper()
	template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Eventually(func() error {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(template), template); err != nil {
			return err
		}
		value(text)(template)
		return admin.Update(ctx, template)
	}).WithContext(ctx).Should(Succeed())
}
