package integration

import (
	"context"
	"maps"
	"net/http"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("An Idempotency-Key", func() {
	var namespace string
	var first, second *controlplane.Manager

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		replicas := startReplicas(ctx)
		first, second = replicas[0], replicas[1]
	})

	keyed := func(ctx context.Context, m *controlplane.Manager, key, payload string) (user.Answer, error) {
		return send(ctx, m, http.MethodPut, "/execute/"+namespace+"/echo", payload,
			http.Header{"Idempotency-Key": {key}})
	}
	mustKeyed := func(ctx context.Context, m *controlplane.Manager, key, payload string) user.Answer {
		GinkgoHelper()
		answered, err := keyed(ctx, m, key, payload)
		Expect(err).NotTo(HaveOccurred())
		return answered
	}

	It("gives a repeat the first execution, at whichever replica, and whatever became of the template",
		func(ctx SpecContext) {
			created := mustKeyed(ctx, first, "order-17", "p").Execution()
			Expect(created.Annotations).To(HaveKey(dispatcherv1alpha1.AnnotationIdempotencyKeyHash))
			Expect(created.Annotations).NotTo(ContainElement(ContainSubstring("order-17")))
			eventuallyJob(ctx, created)
			Expect(admin.Delete(ctx, newTemplate(namespace))).To(Succeed())

			for _, replica := range []*controlplane.Manager{first, second} {
				repeat := mustKeyed(ctx, replica, `"order-17"`, "p")
				found := repeat.ExecutionOf(http.StatusOK)
				Expect(found.UID).To(Equal(created.UID))
				Expect(repeat.Header.Get("Location")).To(Equal("/executions/" + namespace + "/" + created.Name))
			}
			Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))
			Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
		})

	It("belongs to its caller", func(ctx SpecContext) {
		runner := newCaller(ctx, namespace, "runner", may("jobtemplates/executions", []string{"create"}))
		reader := newCaller(ctx, namespace, "reader", may("jobtemplates/executions", []string{"create", "get"}))
		as := func(caller http.Header, payload string) user.Answer {
			GinkgoHelper()
			header := http.Header{"Idempotency-Key": {"order-17"}}
			maps.Copy(header, caller)
			answered, err := send(ctx, first, http.MethodPut, "/execute/"+namespace+"/echo", payload, header)
			Expect(err).NotTo(HaveOccurred())
			return answered
		}
		created := as(runner, "p").Execution()
		Expect(as(reader, "p").Execution().Name).NotTo(Equal(created.Name))
		Expect(as(nil, "q").Execution().Name).NotTo(Equal(created.Name))
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(3))

		By("telling the outcome only to who may read it")
		repeat := as(runner, "p")
		Expect(repeat.Code).To(Equal(http.StatusOK))
		Expect(repeat.Body).To(BeEmpty())
		Expect(repeat.Header.Get("Location")).To(Equal("/executions/" + namespace + "/" + created.Name))
		as(reader, "p").ExecutionOf(http.StatusOK)
	})

	DescribeTable("survives a replica that is killed while it stores the execution:",
		func(ctx SpecContext, fault func(func()) controlplane.Fault, code int) {
			killed := make(chan struct{})
			DeferCleanup(first.Proxy.Inject(creates("jobexecutions", namespace), fault(func() {
				first.Kill()
				close(killed)
			})))
			_, err := keyed(ctx, first, "order-17", "p")
			Expect(err).To(HaveOccurred())
			Eventually(killed).WithContext(ctx).Should(BeClosed())
			freeLease(ctx)
			before := admin.Executions(ctx, namespace)

			found := mustKeyed(ctx, second, "order-17", "p").ExecutionOf(code)
			after := admin.Executions(ctx, namespace)
			Expect(after).To(HaveLen(1))
			Expect(after[0].UID).To(Equal(found.UID))
			if code == http.StatusOK {
				Expect(before).To(HaveLen(1))
				Expect(before[0].UID).To(Equal(found.UID))
			}
			endPods(ctx, found, corev1.PodSucceeded)
			eventuallyState(ctx, found, succeeded)
			Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
		},
		Entry("just before", controlplane.Before, http.StatusCreated),
		Entry("just after", controlplane.After, http.StatusOK),
	)

	It("makes one execution of concurrent repeats at two replicas", func(ctx SpecContext) {
		const calls = 20
		answers := make([]user.Answer, calls)
		var group sync.WaitGroup
		for i := range calls {
			group.Go(func() {
				defer GinkgoRecover()
				answers[i] = mustKeyed(ctx, []*controlplane.Manager{first, second}[i%2], "order-17", "p")
			})
		}
		group.Wait()
		codes := map[int]int{}
		for _, answered := range answers {
			codes[answered.Code]++
		}
		Expect(codes).To(Equal(map[int]int{http.StatusCreated: 1, http.StatusOK: calls - 1}))
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))
	})

	It("is refused with another payload, and is free after a refusal and after the execution is gone",
		func(ctx SpecContext) {
			createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
				t.Name = "strict"
				t.Spec.SamplePayload = new("{}")
				container(t).Env[0].Value = "{{ mustFromJson .Payload | toJson }}"
			})
			strict := func(payload string) user.Answer {
				answered, err := send(ctx, first, http.MethodPut, "/execute/"+namespace+"/strict", payload,
					http.Header{"Idempotency-Key": {"k"}})
				Expect(err).NotTo(HaveOccurred())
				return answered
			}
			Expect(strict("nonsense").Problem().Reason).To(Equal("Invalid"))
			created := strict("{}").Execution()
			refused := strict("nonsense")
			Expect(refused.Code).To(Equal(http.StatusUnprocessableEntity))
			Expect(refused.Problem().Reason).To(Equal("IdempotencyKeyReused"))
			Expect(refused.Problem().Fields()).To(ConsistOf("Idempotency-Key"))
			Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))

			By("deleting the execution")
			Expect(admin.Delete(ctx, created)).To(Succeed())
			Eventually(func() []dispatcherv1alpha1.JobExecution {
				return admin.Executions(ctx,
					namespace)
			}).WithContext(ctx).Should(BeEmpty())
			again := strict(`{"a":1}`).Execution()
			Expect(again.Name).To(Equal(created.Name))
			Expect(again.UID).NotTo(Equal(created.UID))

			By("giving its name to something else")
			Expect(admin.Delete(ctx, again)).To(Succeed())
			Eventually(func() []dispatcherv1alpha1.JobExecution {
				return admin.Executions(ctx,
					namespace)
			}).WithContext(ctx).Should(BeEmpty())
			createExecution(ctx, namespace, created.Name, "{}")
			taken := strict("{}")
			Expect(taken.Code).To(Equal(http.StatusConflict))
			Expect(taken.Problem().Reason).To(Equal("IdempotencyKeyConflict"))
		})
})
