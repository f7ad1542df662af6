package integration

import (
	"net/http"
	"slices"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("Render workers", func() {
	It("end with the manager, also when it is killed", func(ctx SpecContext) {
		restartAfterwards()
		before := manager.Descendants()
		Expect(before).NotTo(BeEmpty())
		manager.Kill()
		Eventually(func() bool {
			return slices.ContainsFunc(before, controlplane.IsRenderWorker)
		}).WithContext(ctx).Should(BeFalse())
	})

	It("are replaced when they are killed, and nobody notices", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		kill := func(worker int) {
			Expect(syscall.Kill(worker, syscall.SIGKILL)).To(Or(Succeed(), MatchError(syscall.ESRCH)))
		}
		pid := manager.PID()
		for range 3 {
			for _, worker := range manager.Descendants() {
				kill(worker)
				Expect(put(ctx, namespace+"/echo", "x").Code).To(Equal(http.StatusCreated))
			}
		}

		By("killing all at once")
		killed := manager.Descendants()
		for _, worker := range killed {
			kill(worker)
		}
		// A call is given to a second worker when the first one ends. It fails if that one is about to end, too.
		Eventually(func() []int { return manager.Descendants() }).WithContext(ctx).
			ShouldNot(ContainElement(BeElementOf(killed)))
		Expect(put(ctx, namespace+"/echo", "x").Code).To(Equal(http.StatusCreated))
		Eventually(func() []int { return manager.Descendants() }).WithContext(ctx).Should(HaveLen(2))
		Expect(manager.PID()).To(Equal(pid))
		Expect(manager.Running()).To(BeTrue())
	})
})
