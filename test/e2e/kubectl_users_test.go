package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("A user of kubectl", func() {
	It("applies, watches and deletes an execution, and its Job and pods go with it", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		run := func(args ...string) string {
			GinkgoHelper()
			ran := kubectl.Run(ctx, append([]string{"-n", namespace}, args...)...)
			Expect(ran.Err).NotTo(HaveOccurred(), ran.Stderr)
			return ran.Stdout
		}
		template, execution := newTemplate(namespace, "greet", "echo", "$(PAYLOAD)"), user.NewExecution(namespace,
			"hello", "greet", "hi")
		Expect(kubectl.Apply(ctx, template).Err).NotTo(HaveOccurred())
		Expect(kubectl.Apply(ctx, execution).Err).NotTo(HaveOccurred())
		Expect(run("wait", "--for=condition=Succeeded", "--timeout=1m", "jobexecution/hello")).
			To(ContainSubstring("condition met"))

		Expect(run("get", "je", "hello")).To(MatchRegexp(`(?m)^NAME +TEMPLATE +STATUS +JOB +DURATION +AGE\nhello +greet +Succeeded +hello +\d+s +\d+s$`))
		Expect(run("wait", "--for=condition=Ready", "--timeout=1m", "jobtemplate/greet")).
			To(ContainSubstring("condition met"))
		Expect(run("get", "jt")).To(MatchRegexp(`(?m)^NAME +IMAGE +READY +SUSPEND +AGE\ngreet +busybox +True +\d+s$`))
		Expect(run("get", "dispatcher", "-o", "name")).
			To(And(ContainSubstring("jobtemplate.dispatcher.ivan.vc/greet"),
				ContainSubstring("jobexecution.dispatcher.ivan.vc/hello")))
		Expect(run("logs", "job/hello")).To(Equal("hi\n"))
		// Events are written after the status is.
		Eventually(func() string { return run("describe", "jobexecution", "hello") }).WithContext(ctx).
			Should(MatchRegexp(`(?s)Message: +Job hello completed.*Reason: +Succeeded.*Events:.*Normal +Succeeded .*Job hello completed`))

		Expect(run("delete", "jobexecution", "hello")).To(ContainSubstring(`"hello" deleted`))
		Eventually(func(g Gomega) {
			g.Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
			g.Expect(admin.Pods(ctx, execution)).To(BeEmpty())
		}).WithContext(ctx).Should(Succeed())
		Expect(run("get", "jt", "greet", "-o", "name")).NotTo(BeEmpty(), "the template stays")
	})

	It("is told by --dry-run=server what would be refused, and nothing is stored", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		dryRun := func(object any) user.Result {
			GinkgoHelper()
			return kubectl.RunWithInput(ctx, user.Manifest(object), "create", "--dry-run=server", "-f", "-")
		}
		refused := dryRun(newTemplate(namespace, "broken", "echo", "{{ .Paylod }}"))
		Expect(refused.Err).To(HaveOccurred())
		Expect(refused.Stderr).
			To(And(ContainSubstring("spec.jobTemplate.spec.template.spec.containers[0].command[1]"),
				ContainSubstring("Paylod")))

		template := newTemplate(namespace, "strict", "echo", "{{ (fromJson .Payload).order }}")
		template.Spec.SamplePayload = new(`{"order": 1}`)
		createTemplate(ctx, template)
		accepted := dryRun(user.NewExecution(namespace, "good", "strict", `{"order": 7}`))
		Expect(accepted.Err).NotTo(HaveOccurred(), accepted.Stderr)
		Expect(accepted.Stdout).To(ContainSubstring("created (server dry run)"))
		refused = dryRun(user.NewExecution(namespace, "bad", "strict", `{}`))
		Expect(refused.Err).To(HaveOccurred())
		Expect(refused.Stderr).
			To(And(ContainSubstring("spec.jobTemplate.spec.template.spec.containers[0].command[1]"),
				ContainSubstring("order")))
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
	})

	It("finds the fields explained", func(ctx SpecContext) {
		explained := kubectl.Run(ctx, "explain", "jobexecution.status.conditions")
		Expect(explained.Stdout).To(ContainSubstring("Succeeded is the summary"))
		Expect(kubectl.Run(ctx, "explain", "jobtemplate.spec.samplePayload").Stdout).
			To(ContainSubstring("a payload that this JobTemplate accepts"))
		Expect(kubectl.Run(ctx, "explain", "jobexecution.spec.payload").Stdout).To(ContainSubstring(".Payload"))
	})
})
