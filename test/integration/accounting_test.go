package integration

import (
	"context"
	"net/http"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("What an execution costs and what is told of it", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
	})

	It("is five writes and no list from PUT to the end", func(ctx SpecContext) {
		inNamespace := func(r controlplane.Request) bool { return r.Namespace == namespace && !ofTemplateStatus(r) }
		before := len(manager.Proxy.Requests(inNamespace))
		execution := put(ctx, namespace+"/echo", "payload").Execution()
		eventuallyState(ctx, execution, running)
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
		Eventually(func() int { return len(eventsAbout(ctx, execution)) }).WithContext(ctx).Should(Equal(1))

		letTheControllerCatchUp(ctx)
		var calls []string
		for _, r := range manager.Proxy.Requests(inNamespace)[before:] {
			// One object may be read past the cache while that may lag: a template that was made just now, or, in the
			// first half minute of a leader, the execution.
			if r.Verb != "get" {
				calls = append(calls, r.Verb+" "+r.Resource+" "+r.Subresource)
			}
		}
		writes := []string{
			"create jobexecutions ", "create jobs ",
			"patch jobexecutions status", "patch jobexecutions status", "create events ",
		}
		started := eventuallyJob(ctx, execution)
		if started.Status.StartTime.Sub(started.CreationTimestamp.Time) >= time.Second && len(calls) > len(writes) {
			// On a slow machine the Job has no pod within two seconds, and a status says so.
			writes = slices.Insert(writes, 2, "patch jobexecutions status")
		}
		Expect(calls).To(Equal(writes))
	})

	It("is no call at all while nothing happens to it, nor after its end", func(ctx SpecContext) {
		runs := createExecution(ctx, namespace, "running", "")
		ended := createExecution(ctx, namespace, "ended", "")
		endPods(ctx, ended, corev1.PodSucceeded)
		eventuallyState(ctx, runs, running)
		eventuallyState(ctx, ended, succeeded)
		Eventually(func() int { return len(eventsAbout(ctx, ended)) }).WithContext(ctx).Should(Equal(1))

		inNamespace := func(r controlplane.Request) bool { return r.Namespace == namespace && !ofTemplateStatus(r) }
		before := len(manager.Proxy.Requests(inNamespace))
		letTheControllerCatchUp(ctx)
		letTheControllerCatchUp(ctx)
		Expect(manager.Proxy.Requests(inNamespace)[before:]).To(BeEmpty())
	})

	DescribeTable("is told once:",
		func(ctx SpecContext, phase corev1.PodPhase, end, result, eventType string) {
			execution := createExecution(ctx, namespace, "told", "")
			endPods(ctx, execution, phase)
			ended := eventuallyState(ctx, execution, end)
			Eventually(func() int { return len(eventsAbout(ctx, execution)) }).WithContext(ctx).Should(Equal(1))
			Expect(finished(ctx, namespace, result)).To(BeEquivalentTo(1))

			By("making the controller look again, and again after a restart")
			touch(ctx, ended, "once")
			letTheControllerCatchUp(ctx)
			Expect(finished(ctx, namespace, result)).To(BeEquivalentTo(1))
			restartAfterwards()
			manager.Kill()
			Expect(manager.Start(ctx)).To(Succeed())
			touch(ctx, ended, "twice")
			letTheControllerCatchUp(ctx)
			Expect(finished(ctx, namespace, result)).To(BeZero(), "in a new process, since it ended in the one before")
			events := eventsAbout(ctx, execution)
			Expect(events).To(HaveLen(1))
			Expect(events[0].Type).To(Equal(eventType))
			Expect(events[0].Reason).To(HaveSuffix(ended.Status.Conditions[len(ended.Status.Conditions)-1].Reason))
			Expect(events[0].Related).NotTo(BeNil())
			Expect(events[0].Related.Name).To(Equal("told"))
		},
		Entry("a success", corev1.PodSucceeded, succeeded, "succeeded", "Normal"),
		Entry("a failure", corev1.PodFailed, failed("BackoffLimitExceeded"), "failed", "Warning"),
	)

	It("is measured from the request on", func(ctx SpecContext) {
		name := "dispatcher_execution_job_creation_duration_seconds"
		before, err := manager.Metric(ctx, name, nil)
		Expect(err).NotTo(HaveOccurred())
		eventuallyJob(ctx, put(ctx, namespace+"/echo", "").Execution())
		Eventually(func() (float64, error) { return manager.Metric(ctx, name, nil) }).WithContext(ctx).
			Should(Equal(before + 1))
		route := map[string]string{"route": "/execute/{namespace}/{template}", "method": http.MethodPut, "code": "201"}
		Expect(manager.Metric(ctx, "dispatcher_http_requests_total", route)).To(BeNumerically(">=", 1))
	})
})

// finished is how many executions of a namespace the manager has counted.
func finished(ctx context.Context, namespace, result string) float64 {
	GinkgoHelper()
	count, err := manager.Metric(ctx, "dispatcher_executions_total",
		map[string]string{"namespace": namespace, "result": result})
	Expect(err).NotTo(HaveOccurred())
	return count
}
