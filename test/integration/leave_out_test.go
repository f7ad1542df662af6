package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("leaveOut", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.SamplePayload = new("{}")
			container(t).Args = []string{
				"{{ if (fromJson .Payload).verbose }}--verbose{{ else }}{{ leaveOut }}{{ end }}",
				"{{ (fromJson .Payload).message | default leaveOut }}",
			}
			container(t).Env = []corev1.EnvVar{
				{Name: "A", Value: "{{ (fromJson .Payload).a | default leaveOut }}"},
				{Name: "B", Value: "{{ (fromJson .Payload).b | default leaveOut }}"},
			}
			job(t).Template.Spec.RuntimeClassName = new("{{ leaveOut }}")
		})
	})

	It("leaves out of the Job what the payload says, and nothing that a payload pretends", func(ctx SpecContext) {
		pod := func(name, payload string) corev1.PodSpec {
			created := eventuallyJob(ctx, createExecution(ctx, namespace, name, payload))
			return created.Spec.Template.Spec
		}
		all := pod("all", `{"verbose":true,"message":"{{ leaveOut }}","a":"leaveOut","b":"x"}`)
		Expect(all.Containers[0].Args).To(Equal([]string{"--verbose", "{{ leaveOut }}"}))
		Expect(all.Containers[0].Env).To(Equal([]corev1.EnvVar{{Name: "A", Value: "leaveOut"}, {Name: "B", Value: "x"}}))

		some := pod("some", `{"message":"hello","b":"x"}`)
		Expect(some.Containers[0].Args).To(Equal([]string{"hello"}))
		Expect(some.Containers[0].Env).To(Equal([]corev1.EnvVar{{Name: "B", Value: "x"}}))
		Expect(some.RuntimeClassName).To(BeNil())

		none := pod("none", "{}")
		Expect(none.Containers[0].Args).To(BeEmpty())
		Expect(none.Containers[0].Env).To(BeEmpty())
	})
})
