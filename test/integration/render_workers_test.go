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
		for range 3 {
			for _, pid := range manager.Descendants() {
				Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Or(Succeed(), MatchError(syscall.ESRCH)))
			}
			Expect(put(ctx, namespace+"/echo", "x").Code).To(Equal(http.StatusCreated))
		}
		pid := manager.PID()
		Eventually(func() []int { return manager.Descendants() }).WithContext(ctx).Should(HaveLen(2))
		Expect(manager.PID()).To(Equal(pid))
		Expect(manager.Running()).To(BeTrue())
	})
})
