package integration

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("Admission of JobExecutions", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("refuses one whose template does not exist", func(ctx SpecContext) {
		execution := newExecution(namespace, "lost", "")
		err := admin.Create(ctx, execution)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(causes(err)).To(HaveKey("spec.jobTemplateName"))

		applied := kubectl.Apply(ctx, execution)
		Expect(applied.Err).To(HaveOccurred())
		Expect(applied.Stderr).To(And(ContainSubstring("spec.jobTemplateName"), ContainSubstring("echo")))
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
	})

	It("refuses one whose payload does not render, naming the template's field", func(ctx SpecContext) {
		createTemplate(ctx, namespace, value(`{{ required "name is missing" (index (mustFromJson .Payload) "name") }}`),
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.SamplePayload = new(`{"name":"x"}`) })
		for _, payload := range []string{"", "not JSON", `{"nmae":"x"}`} {
			err := admin.Create(ctx, newExecution(namespace, "unfit", payload))
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%q: %v", payload, err)
			Expect(causes(err)).To(HaveKeyWithValue(valuePath, ConsistOf(ContainSubstring(`JobTemplate "echo"`))))
		}
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
	})

	DescribeTable("refuses a payload that an environment variable cannot carry:",
		func(ctx SpecContext, payload string) {
			createTemplate(ctx, namespace)
			err := admin.Create(ctx, newExecution(namespace, "unfit", payload))
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(causes(err)).To(HaveKey(valuePath))
		},
		Entry("a NUL", "a\x00b"),
		Entry("more than the kernel takes for one string", strings.Repeat("x", 131072)),
	)

	It("finds a template that its cache does not have yet", func(ctx SpecContext) {
		release := manager.Proxy.HoldEvents("jobtemplates")
		DeferCleanup(release)
		createTemplate(ctx, namespace)
		createExecution(ctx, namespace, "early", "")
	})

	It("refuses by no template that has been corrected since", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace, value(`{{ mustFromJson .Payload | toJson }}`))
		Expect(apierrors.IsInvalid(admin.Create(ctx, newExecution(namespace, "text", "text"), client.DryRunAll))).
			To(BeTrue())
		release := manager.Proxy.HoldEvents("jobtemplates")
		DeferCleanup(release)
		container(template).Env[0].Value = "{{ .Payload }}"
		Expect(updateTemplate(ctx, admin, template)).To(Succeed())
		createExecution(ctx, namespace, "text", "text")
	})

	It("fills in what the template says and the execution does not", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Labels = map[string]string{"team": "data", "tier": "batch"}
			t.Spec.TTLSecondsAfterFinished = new(int32(600))
		})
		plain := createExecution(ctx, namespace, "plain", "")
		Expect(plain.Labels).To(Equal(map[string]string{
			"team": "data", "tier": "batch", dispatcherv1alpha1.LabelJobTemplate: "echo",
		}))
		Expect(plain.Spec.TTLSecondsAfterFinished).To(HaveValue(BeEquivalentTo(600)))

		own := newExecution(namespace, "own", "")
		own.Labels = map[string]string{"team": "web", dispatcherv1alpha1.LabelJobTemplate: "other"}
		own.Spec.TTLSecondsAfterFinished = new(int32(5))
		Expect(admin.Create(ctx, own)).To(Succeed())
		Expect(own.Labels).To(Equal(map[string]string{
			"team": "web", "tier": "batch", dispatcherv1alpha1.LabelJobTemplate: "echo",
		}))
		Expect(own.Spec.TTLSecondsAfterFinished).To(HaveValue(BeEquivalentTo(5)))
	})

	It("is not called to fill in what the HTTP API has filled in", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Labels = map[string]string{"team": "data"}
			t.Spec.TTLSecondsAfterFinished = new(int32(600))
		})
		called := func() float64 {
			count, err := manager.Metric(ctx, "controller_runtime_webhook_requests_total",
				map[string]string{"webhook": "/mutate-dispatcher-ivan-vc-v1alpha1-jobexecution"})
			Expect(err).NotTo(HaveOccurred())
			return count
		}
		By("waiting until the cache of the HTTP API has the template")
		Eventually(func() map[string]string { return put(ctx, namespace+"/echo", "").Execution().Annotations }).
			Should(HaveKey(dispatcherv1alpha1.AnnotationDefaulted))
		before := called()
		execution := put(ctx, namespace+"/echo", "").Execution()
		Expect(execution.Labels).
			To(Equal(map[string]string{"team": "data", dispatcherv1alpha1.LabelJobTemplate: "echo"}))
		Expect(execution.Spec.TTLSecondsAfterFinished).To(HaveValue(BeEquivalentTo(600)))
		Expect(called()).To(Equal(before))
	})

	DescribeTable("lets nobody claim to have filled in the defaults",
		func(ctx SpecContext, claimed map[string]string) {
			createTemplate(ctx, namespace)
			execution := newExecution(namespace, "claims", "")
			execution.Annotations = map[string]string{dispatcherv1alpha1.AnnotationDefaulted: "true"}
			execution.Labels = claimed
			err := admin.Create(ctx, execution)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(causes(err)).To(HaveKey("metadata.annotations[" + dispatcherv1alpha1.AnnotationDefaulted + "]"))
		},
		Entry("with the template's name as the label", map[string]string{dispatcherv1alpha1.LabelJobTemplate: "echo"}),
		Entry("with another template's name", map[string]string{dispatcherv1alpha1.LabelJobTemplate: "other"}),
		Entry("without it", map[string]string{"team": "web"}),
		Entry("without any label", nil),
	)

	It("takes a name that the API server makes up", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		for range 2 {
			execution := newExecution(namespace, "", "")
			execution.GenerateName = "generated-"
			Expect(admin.Create(ctx, execution)).To(Succeed())
			Expect(eventuallyJob(ctx, execution).Name).To(HavePrefix("generated-"))
		}
	})

	It("is needed: without it nothing is accepted", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		restartAfterwards()
		manager.Kill()
		Expect(admin.Create(ctx, newExecution(namespace, "unjudged", ""))).
			To(MatchError(ContainSubstring("failed calling webhook")))
		Expect(admin.Create(ctx, newTemplate(namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { t.Name = "unjudged" }))).
			To(MatchError(ContainSubstring("failed calling webhook")))
	})
})
