package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

var _ = Describe("The samples", func() {
	It("run as they are", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		applied := kubectl(ctx, "-n", namespace, "apply", "-f", plane.Root+"/config/samples/")
		Expect(applied.err).NotTo(HaveOccurred())
		Expect(applied.stderr).To(BeEmpty(), "no warning")
		payload := "my test payload"
		execution := put(ctx, namespace+"/jobtemplate-sample", payload).execution()
		created := eventuallyJob(ctx, execution)
		Expect(created.Spec.Template.Spec.Containers[0].Env).To(ContainElement(corev1.EnvVar{Name: "PAYLOAD", Value: payload}))
	})
})
