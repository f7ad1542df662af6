package integration

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("A caller that waits for an execution", func() {
	// waits returns when the manager holds so many callers.
	waits := func(ctx SpecContext, m *controlplane.Manager, callers int) {
		GinkgoHelper()
		Eventually(func() (float64, error) { return m.Metric(ctx, "dispatcher_http_requests_waiting", nil) }).
			WithContext(ctx).Should(BeEquivalentTo(callers))
	}

	It("is answered when it ends, and asks the API server for nothing meanwhile", func(ctx SpecContext) {
		execution := newRunningExecution(ctx)
		before := len(manager.Proxy.Requests(gets(execution.Namespace)))
		answers := getInBackground(ctx, manager, location(execution)+"?wait=120", nil)
		waits(ctx, manager, 1)
		touch(ctx, execution, "not the end")
		letTheControllerCatchUp(ctx)
		Expect(manager.Proxy.Requests(gets(execution.Namespace))).To(HaveLen(before + 1))
		endPods(ctx, execution, corev1.PodFailed)
		var answered user.Answer
		Eventually(answers).WithContext(ctx).Should(Receive(&answered))
		final := answered.ExecutionOf(http.StatusOK)
		Expect(state(final)).To(Equal(failed("BackoffLimitExceeded")))
		Expect(final.Spec.Payload).To(Equal("p"))
		Expect(answered.Header.Get("ETag")).
			To(Equal(call(ctx, http.MethodGet, location(execution), nil).Header.Get("ETag")))

		By("asking again, which is answered at once")
		Expect(call(ctx, http.MethodGet, location(execution)+"?wait=120", nil).ExecutionOf(http.StatusOK).Status).
			To(Equal(final.Status))
	})

	It("is answered with what there is when its time is up", func(ctx SpecContext) {
		execution := newRunningExecution(ctx)
		Expect(state(call(ctx, http.MethodGet, location(execution)+"?wait=1", nil).ExecutionOf(http.StatusOK))).
			To(Equal(running))
	})

	It("waits for news, if it says what it has", func(ctx SpecContext) {
		execution := newRunningExecution(ctx)
		letTheControllerCatchUp(ctx)
		has := http.Header{"If-None-Match": {call(ctx, http.MethodGet, location(execution), nil).Header.Get("ETag")}}
		Expect(call(ctx, http.MethodGet, location(execution)+"?wait=1", has).Code).To(Equal(http.StatusNotModified))
		answers := getInBackground(ctx, manager, location(execution)+"?wait=120", has)
		waits(ctx, manager, 1)
		touch(ctx, execution, "news")
		var answered user.Answer
		Eventually(answers).WithContext(ctx).Should(Receive(&answered))
		Expect(answered.ExecutionOf(http.StatusOK).Annotations).To(HaveKeyWithValue("example.com/touched", "news"))
	})

	It("is answered with the end of an execution that is removed at once", func(ctx SpecContext) {
		execution := newRunningExecution(ctx,
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.TTLSecondsAfterFinished = new(int32(0)) })
		answers := getInBackground(ctx, manager, location(execution)+"?wait=120", nil)
		waits(ctx, manager, 1)
		endPods(ctx, execution, corev1.PodSucceeded)
		var answered user.Answer
		Eventually(answers).WithContext(ctx).Should(Receive(&answered))
		final := answered.ExecutionOf(http.StatusOK)
		Expect(state(final)).To(Equal(succeeded))
		Expect(final.Spec.Payload).To(Equal("p"))
	})

	It("is told when it is deleted", func(ctx SpecContext) {
		execution := newRunningExecution(ctx)
		answers := getInBackground(ctx, manager, location(execution)+"?wait=120", nil)
		waits(ctx, manager, 1)
		Expect(admin.Delete(ctx, execution)).To(Succeed())
		var answered user.Answer
		Eventually(answers).WithContext(ctx).Should(Receive(&answered))
		Expect(answered.Problem().Reason).To(Equal("ExecutionNotFound"))
	})

	It("may wait at one replica for what was executed at the other, and its replica stops without it",
		func(ctx SpecContext) {
			namespace := admin.NewNamespace(ctx)
			createTemplate(ctx, namespace)
			leader, other := eventuallyLeader(ctx, startReplicas(ctx))
			first := putTo(ctx, leader, namespace+"/echo", "").Execution()
			answers := getInBackground(ctx, other, location(first)+"?wait=120", nil)
			endPods(ctx, first, corev1.PodSucceeded)
			var answered user.Answer
			Eventually(answers).WithContext(ctx).Should(Receive(&answered))
			Expect(state(answered.ExecutionOf(http.StatusOK))).To(Equal(succeeded))

			By("stopping the other replica while somebody waits and somebody reads a stream there")
			second := putTo(ctx, leader, namespace+"/echo", "").Execution()
			waiting := getInBackground(ctx, other, location(second)+"?wait=120", nil)
			reading := getInBackground(ctx, other, location(second)+"/events", nil)
			waits(ctx, other, 2)
			process := other.Terminate()
			Eventually(waiting).WithContext(ctx).WithTimeout(10 * time.Second).Should(Receive(&answered))
			Expect(answered.ExecutionOf(http.StatusOK).IsFinished()).To(BeFalse())
			Eventually(reading).WithContext(ctx).WithTimeout(10 * time.Second).Should(Receive(&answered))
			Expect(answered.Body).To(ContainSubstring("event: execution\n"))
			Expect(process.ExitCode()).To(BeZero())
		})
})
