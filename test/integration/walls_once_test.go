package integration

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("An execution whose Job is refused", Label("walls"), func() {
	It("with 404 by somebody's webhook says so, and runs when it is not any more", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		allow, _ := deny(ctx, namespace, "the registry has no such tenant", http.StatusNotFound, createsOfJobs)
		execution := createExecution(ctx, namespace, "denied", "")
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
			g.Expect(state(execution)).To(HavePrefix("Waiting=True"))
			g.Expect(message(execution)).To(ContainSubstring("the registry has no such tenant"))
		}).WithContext(ctx).Should(Succeed())
		allow()
		eventuallyState(ctx, execution, running)
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
	})

	It("since many are counted at once is taken for one to be sent again, by its caller", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		conflict := apierrors.NewConflict(schema.GroupResource{Resource: "resourcequotas"}, "objects", http.ErrAbortHandler)
		remove := manager.Proxy.Inject(creates("jobexecutions", namespace), controlplane.Answer(conflict))
		DeferCleanup(remove)
		answered := put(ctx, namespace+"/echo", "")
		Expect(answered.Code).To(Equal(http.StatusServiceUnavailable), answered.Body)
		Expect(answered.Problem().Reason).To(Equal("Unavailable"))
		Expect(answered.Header.Get("Retry-After")).NotTo(BeEmpty())
		remove()
		put(ctx, namespace+"/echo", "").Execution()
	})
})

var _ = Describe("A leader that loses its Lease", Label("walls"), func() {
	It("since it cannot renew it goes on serving, while the other leads", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		leader, other := eventuallyLeader(ctx, startReplicas(ctx))
		pid := leader.PID()
		leases := func(r controlplane.Request) bool { return r.Resource == "leases" }
		restore := leader.Proxy.Inject(leases, controlplane.Unreachable())
		DeferCleanup(restore)
		Eventually(func() bool { return leads(ctx, other) }).WithContext(ctx).Should(BeTrue())
		execution := putTo(ctx, leader, namespace+"/echo", "").Execution()
		eventuallyState(ctx, execution, running)
		Expect(leader.Proxy.Requests(creates("jobs", namespace))).To(BeEmpty())

		By("ending the other, when the first can renew again")
		restore()
		other.Kill()
		freeLease(ctx)
		second := putTo(ctx, leader, namespace+"/echo", "").Execution()
		eventuallyState(ctx, second, running)
		Expect(leader.Running()).To(BeTrue())
		Expect(leader.PID()).To(Equal(pid))
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(2))
	})
})
