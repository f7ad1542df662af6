package integration

import (
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("Readiness", func() {
	It("is given when all that a replica serves works, and not before", func(ctx SpecContext) {
		restartAfterwards()
		manager.Kill()
		gate := make(chan struct{})
		reachTemplates := func(r controlplane.Request) bool { return r.Resource == "jobtemplates" }
		DeferCleanup(manager.Proxy.Inject(reachTemplates, controlplane.Hold(gate)))
		Expect(manager.StartUnready()).To(Succeed())
		Eventually(func() bool { return manager.Alive(ctx) }).WithContext(ctx).Should(BeTrue())
		Eventually(func() []controlplane.Request { return manager.Proxy.Requests(reachTemplates) }).WithContext(ctx).
			ShouldNot(BeEmpty())
		Expect(manager.Ready(ctx)).To(BeFalse())
		_, err := send(ctx, manager, http.MethodPut, "/execute/default/echo", "", nil)
		Expect(err).To(HaveOccurred(), "nothing is served before the caches are in sync")

		close(gate)
		Eventually(func() bool { return manager.Ready(ctx) }).WithContext(ctx).Should(BeTrue())
		Expect(put(ctx, "default/no-such", "").Code).
			To(Or(Equal(http.StatusNotFound), Equal(http.StatusServiceUnavailable)))
	})

	It("ends when the replica is asked to stop, while it still answers what is under way", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		restartAfterwards()
		gate := make(chan struct{})
		held := creates("jobexecutions", namespace)
		DeferCleanup(manager.Proxy.Inject(held, controlplane.Hold(gate)))
		answers := make(chan user.Answer, 1)
		go func() {
			defer GinkgoRecover()
			answered, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace+"/echo", "in flight", nil)
			Expect(err).NotTo(HaveOccurred())
			answers <- answered
		}()
		Eventually(func() []controlplane.Request { return manager.Proxy.Requests(held) }).WithContext(ctx).
			ShouldNot(BeEmpty())

		process := manager.Terminate()
		Eventually(func() error {
			connection, err := net.Dial("tcp", strings.TrimPrefix(manager.URL, "http://"))
			if err != nil {
				return err
			}
			return connection.Close()
		}).WithContext(ctx).Should(HaveOccurred(), "no new connection is taken")
		Consistently(process.Done()).WithTimeout(200 * time.Millisecond).ShouldNot(BeClosed())
		plane.Webhooks.Add(manager.WebhookAddress()) // as a Service does until the kubelet's news has gone round
		close(gate)
		var answered user.Answer
		Eventually(answers).WithContext(ctx).Should(Receive(&answered))
		Expect(answered.Execution().Spec.Payload).To(Equal("in flight"))
		Expect(process.ExitCode()).To(BeZero())
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))
	})
})
