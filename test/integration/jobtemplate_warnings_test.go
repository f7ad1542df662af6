package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("Warnings", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	DescribeTable("are given for a template that is accepted:",
		func(ctx SpecContext, change func(*dispatcherv1alpha1.JobTemplate), expected ...string) {
			c, warnings := warned()
			Expect(c.Create(ctx, newTemplate(namespace, change))).To(Succeed())
			var matchers []any
			for _, text := range expected {
				matchers = append(matchers, ContainSubstring(text))
			}
			Expect(warnings.take()).To(ConsistOf(matchers...))
		},
		Entry("none for a good one", func(*dispatcherv1alpha1.JobTemplate) {}),
		Entry("$PAYLOAD, which nothing expands", func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Command = []string{"echo", "$PAYLOAD"}
		}, "$(PAYLOAD)"),
		Entry("a payload in a shell command without quotes", func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Command = []string{"sh", "-c", "echo {{ .Payload }}"}
		}, "shellQuote"),
		Entry("a payload in a script of several lines, behind timeout", func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Command = []string{"timeout", "60", "bash", "-euo", "pipefail", "-c"}
			container(t).Args = []string{"set -x\necho {{ .Payload }}"}
		}, containerPath+".args[0]: line 2, column"),
		Entry("metadata that no Job has", func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.GenerateName = "echo-"
		}, "spec.jobTemplate.metadata.generateName"),
		Entry("none for a payload that is quoted for the shell", func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Command = []string{"sh", "-c", "echo {{ .Payload | shellQuote }}"}
		}),
		Entry("a fixed name, which allows one execution at a time", func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Name = "the-only-one"
		}, "metadata.name"),
	)

	It("print in kubectl as the first published sample is applied", func(ctx SpecContext) {
		applied := kubectl.RunWithInput(ctx, `
apiVersion: dispatcher.ivan.vc/v1alpha1
kind: JobTemplate
metadata: {name: jobtemplate-sample, namespace: `+namespace+`}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
          - name: my-container
            image: alpine:latest
            command: ["echo", "$PAYLOAD"]
            env: [{name: PAYLOAD, value: "{{ .Payload }}"}]
          restartPolicy: Never
      backoffLimit: 0
`, "apply", "-f", "-")
		Expect(applied.Err).NotTo(HaveOccurred())
		Expect(applied.Stderr).
			To(And(ContainSubstring("Warning:"), ContainSubstring(containerPath+".command[1]"),
				ContainSubstring("$(PAYLOAD)")))
	})

	It("tell of an execution that GitOps would create again, and it would run again", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.TTLSecondsAfterFinished = new(int32(600)) })
		tracked := newExecution(namespace, "tracked", "")
		tracked.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "app"}
		c, warnings := warned()
		Expect(c.Create(ctx, tracked)).To(Succeed())
		Expect(warnings.take()).To(ConsistOf(
			And(ContainSubstring("Argo CD"), ContainSubstring("spec.ttlSecondsAfterFinished"))))

		By("creating a hook of Argo CD, which runs once in each sync")
		hook := newExecution(namespace, "hook", "")
		hook.Annotations = map[string]string{
			"argocd.argoproj.io/tracking-id": "app", "argocd.argoproj.io/hook": "PreSync"}
		Expect(c.Create(ctx, hook)).To(Succeed())
		Expect(warnings.take()).To(BeEmpty())

		By("applying one with the field manager of Argo CD and a label that others use, too")
		byLabel := newExecution(namespace, "label", "")
		byLabel.Labels = map[string]string{"app.kubernetes.io/instance": "app"}
		Expect(c.Create(ctx, byLabel.DeepCopy(), client.DryRunAll)).To(Succeed())
		Expect(warnings.take()).To(BeEmpty())
		Expect(c.Create(ctx, byLabel, client.FieldOwner("argocd-controller"))).To(Succeed())
		Expect(warnings.take()).To(ConsistOf(ContainSubstring("app.kubernetes.io/instance")))
	})

	It("tell of an exhausted quota, which is no fault of the template", func(ctx SpecContext) {
		exhaustQuota(ctx, namespace)
		c, warnings := warned()
		Expect(c.Create(ctx, newTemplate(namespace))).To(Succeed())
		Expect(warnings.take()).To(ConsistOf(ContainSubstring("exceeded quota")))
	})

	It("tell who deletes a template that executions still need", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { job(t).Suspend = new(true) })
		execution := createExecution(ctx, namespace, "unfinished", "")
		eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonSuspended))
		c, warnings := warned()
		Expect(c.Delete(ctx, template, client.DryRunAll)).To(Succeed())
		Expect(warnings.take()).To(ConsistOf(ContainSubstring("1 unfinished")))

		By("deleting one while no webhook answers")
		restartAfterwards()
		manager.Kill()
		Expect(c.Delete(ctx, template)).To(Succeed())
		eventuallyGone(ctx, template)
	})

	It("are not given for the deletion of a template that nobody runs", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace)
		c, warnings := warned()
		Expect(c.Delete(ctx, template)).To(Succeed())
		Expect(warnings.take()).To(BeEmpty())
	})
})

// exhaustQuota allows no Job in the namespace, and returns when the API server knows.
func exhaustQuota(ctx SpecContext, namespace string) *corev1.ResourceQuota {
	GinkgoHelper()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-jobs"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}},
	}
	Expect(admin.Create(ctx, quota)).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(quota), quota)).To(Succeed())
		g.Expect(quota.Status.Used).To(HaveKey(corev1.ResourceName("count/jobs.batch")))
	}).WithContext(ctx).Should(Succeed())
	return quota
}
