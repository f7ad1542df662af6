package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("The samples", func() {
	It("run as they are, and print the payload", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		applied := kubectl.Run(ctx, "-n", namespace, "apply", "-f", sample(""))
		Expect(applied.Err).NotTo(HaveOccurred())
		Expect(applied.Stderr).To(BeEmpty(), "no warning")
		called := put(ctx, namespace, "jobtemplate-sample", "my $(PAYLOAD)").Execution()
		for execution, payload := range map[string]string{"jobexecution-sample": "my test payload",
			called.Name: "my $(PAYLOAD)"} {
			execution := user.NewExecution(namespace, execution, "", "")
			Expect(eventuallyFinished(ctx, execution).Reason).To(Equal("Succeeded"))
			Expect(logOf(ctx, execution)).To(Equal(payload + "\n"))
		}
	})

	It("are accepted as first published, with a warning that says what to write", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		template := newTemplate(namespace, "jobtemplate-sample", "echo", "$PAYLOAD")
		applied := kubectl.Apply(ctx, template)
		Expect(applied.Err).NotTo(HaveOccurred())
		Expect(applied.Stderr).
			To(And(HavePrefix("Warning: "), ContainSubstring("$PAYLOAD"), ContainSubstring("$(PAYLOAD)")))
		execution := put(ctx, namespace, template.Name, "my test payload").Execution()
		Expect(eventuallyFinished(ctx, execution).Reason).To(Equal("Succeeded"))
		Expect(logOf(ctx, execution)).To(Equal("$PAYLOAD\n"), "as the warning said")
	})
})
