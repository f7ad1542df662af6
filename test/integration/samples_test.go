package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

var _ = Describe("The samples", func() {
	It("run as they are", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		applied := kubectl.Run(ctx, "-n", namespace, "apply", "-f", plane.Root+"/config/samples/")
		Expect(applied.Err).NotTo(HaveOccurred())
		Expect(applied.Stderr).To(BeEmpty(), "no warning")
		payload := "my test payload"
		execution := put(ctx, namespace+"/jobtemplate-sample", payload).Execution()
		created := eventuallyJob(ctx, execution)
		Expect(created.Spec.Template.Spec.Containers[0].Env).
			To(ContainElement(corev1.EnvVar{Name: "PAYLOAD", Value: payload}))
	})
})
