package integration

import (
	"net/http"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("The HTTP API in trouble", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
	})

	DescribeTable("says when to come back, and has created nothing, when the API server",
		func(ctx SpecContext, fault controlplane.Fault, code int, reason string, retryAfter string) {
			inNamespace := func(r controlplane.Request) bool {
				return r.Namespace == namespace &&
					r.Resource == "jobexecutions"
			}
			remove := manager.Proxy.Inject(inNamespace, fault)
			DeferCleanup(remove)
			answered := put(ctx, namespace+"/echo", "")
			Expect(answered.Code).To(Equal(code), answered.Body)
			Expect(answered.Problem().Reason).To(Equal(reason))
			Expect(answered.Header.Get("Retry-After")).To(Equal(retryAfter))
			Expect(admin.Executions(ctx, namespace)).To(BeEmpty())

			By("executing again when the trouble is over")
			remove()
			put(ctx, namespace+"/echo", "").Execution()
		},
		Entry("cannot be reached", controlplane.Unreachable(), 503, "Unavailable", "5"),
		Entry("is not available", controlplane.Answer(apierrors.NewServiceUnavailable("etcd is away")), 503,
			"Unavailable", "5"),
		Entry("fails", controlplane.Answer(apierrors.NewInternalError(http.ErrServerClosed)), 503, "Unavailable", "5"),
		Entry("is too busy", controlplane.Answer(apierrors.NewTooManyRequests("too many requests", 3)), 429,
			"TooManyRequests", "3"),
		Entry("gives up", controlplane.Answer(apierrors.NewTimeoutError("gave up", 0)), 504, "Timeout", ""),
	)

	It("says so when no webhook can be reached", func(ctx SpecContext) {
		DeferCleanup(func() { plane.Webhooks.Add(manager.WebhookAddress()) })
		plane.Webhooks.Remove(manager.WebhookAddress())
		plane.Webhooks.Cut()
		answered := put(ctx, namespace+"/echo", "")
		Expect(answered.Code).To(Equal(http.StatusServiceUnavailable), answered.Body)
		Expect(answered.Problem().Reason).To(Equal("Unavailable"))
		Expect(answered.Header.Get("Retry-After")).NotTo(BeEmpty())
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
	})

	It("answers with the execution when only the answer to its creation was lost", func(ctx SpecContext) {
		var lost atomic.Int32
		DeferCleanup(manager.Proxy.Inject(creates("jobexecutions", namespace),
			controlplane.After(func() { lost.Add(1) })))
		execution := put(ctx, namespace+"/echo", "").Execution()
		Expect(lost.Load()).To(BeEquivalentTo(1))
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))
		eventuallyState(ctx, execution, running)
	})

	It("leaves no execution behind that its caller holds for failed", func(ctx SpecContext) {
		DeferCleanup(manager.Proxy.Inject(creates("jobexecutions", namespace), controlplane.After(func() {})))
		reads := func(r controlplane.Request) bool {
			return r.Namespace == namespace && r.Resource == "jobexecutions" && r.Verb == "get"
		}
		reachable := manager.Proxy.Inject(reads, controlplane.Unreachable())
		DeferCleanup(reachable)
		answered := put(ctx, namespace+"/echo", "")
		Expect(answered.Code).To(Equal(http.StatusServiceUnavailable), answered.Body)
		reachable()
		Eventually(func() int {
			return len(admin.Executions(ctx, namespace)) +
				len(admin.Jobs(ctx, namespace))
		}).WithContext(ctx).Should(BeZero())
	})
})
