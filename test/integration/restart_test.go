package integration

import (
	"net/http"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

// step is a write in the life of an execution: the n-th of its kind.
type step struct {
	verb, resource, subresource string
	n                           int32
}

func (s step) in(namespace string) controlplane.Match {
	return func(r controlplane.Request) bool {
		return r.Namespace == namespace && r.Verb == s.verb && r.Resource == s.resource &&
			r.Subresource == s.subresource && !r.DryRun
	}
}

var _ = Describe("A manager that is killed", func() {
	var namespace string
	var killed atomic.Bool

	kill := func() {
		manager.Kill()
		killed.Store(true)
	}
	moments := map[string]func(func()) controlplane.Fault{
		"before": controlplane.Before, // the write did not happen
		"after":  controlplane.After,  // it did, and nobody knows
	}

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		killed.Store(false)
		restartAfterwards()
	})

	DescribeTableSubtree("and started again makes one Job and the right status, if it was killed",
		func(s step, change func(*dispatcherv1alpha1.JobTemplate), goes bool) {
			for moment, fault := range moments {
				It(moment, func(ctx SpecContext) {
					createTemplate(ctx, namespace, change)
					seen := observe(ctx, namespace)
					DeferCleanup(manager.Proxy.Inject(s.in(namespace), controlplane.Nth(s.n, fault(kill))))
					execution := createExecution(ctx, namespace, "survivor", "")
					Eventually(func() bool {
						endPodsThatAreThere(ctx, execution, corev1.PodSucceeded)
						return killed.Load()
					}).WithContext(ctx).Should(BeTrue(), "the step is reached")

					Expect(manager.Start(ctx)).To(Succeed())
					found := &dispatcherv1alpha1.JobExecution{}
					Eventually(func(g Gomega) {
						endPodsThatAreThere(ctx, execution, corev1.PodSucceeded)
						err := admin.Get(ctx, client.ObjectKeyFromObject(execution), found)
						if goes {
							g.Expect(err).To(MatchError(ContainSubstring("not found")))
							return
						}
						g.Expect(err).NotTo(HaveOccurred())
						g.Expect(state(found)).To(Equal(succeeded), message(found))
					}).WithContext(ctx).Should(Succeed())
					if goes {
						Expect(seen.lastState()).To(Equal(succeeded))
					}
					letTheControllerCatchUp(ctx)
					Expect(seen.jobs()).To(HaveLen(1))
					Expect(len(eventsAbout(ctx, execution))).To(BeNumerically("<=", 1))
					Expect(finished(ctx, namespace, "succeeded")).To(BeNumerically("<=", 1))
				})
			}
		},
		Entry("around the creation of the Job", step{"create", "jobs", "", 1}, plain, false),
		Entry("around the status that says Running", step{"patch", "jobexecutions", "status", 1}, plain, false),
		Entry("around the final status", step{"patch", "jobexecutions", "status", 2}, plain, false),
		Entry("around the event", step{"create", "events", "", 1}, plain, false),
		Entry("around the write that gives a Job the TTL of its template", step{"patch", "jobs", "", 1},
			func(t *dispatcherv1alpha1.JobTemplate) {
				job(t).TTLSecondsAfterFinished = new(int32(0))
				t.Spec.TTLSecondsAfterFinished = new(int32(600))
			}, false),
		Entry("around the deletion at the end of a TTL", step{"delete", "jobexecutions", "", 1},
			func(t *dispatcherv1alpha1.JobTemplate) {
				t.Spec.TTLSecondsAfterFinished = new(int32(0))
			}, true),
	)

	It("just before it stores an execution leaves nothing behind", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		DeferCleanup(manager.Proxy.Inject(creates("jobexecutions", namespace), controlplane.Before(kill)))
		_, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace+"/echo", "x", nil)
		Expect(err).To(HaveOccurred())
		Eventually(killed.Load).WithContext(ctx).Should(BeTrue())
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
	})

	It("just after it stored an execution runs it once", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		DeferCleanup(manager.Proxy.Inject(creates("jobexecutions", namespace), controlplane.After(kill)))
		_, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace+"/echo", "x", nil)
		Expect(err).To(HaveOccurred())
		Eventually(killed.Load).WithContext(ctx).Should(BeTrue())
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))

		Expect(manager.Start(ctx)).To(Succeed())
		execution := admin.Executions(ctx, namespace)[0]
		endPods(ctx, &execution, corev1.PodSucceeded)
		eventuallyState(ctx, &execution, succeeded)
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
	})

	It("between two executions forgets neither", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		first := createExecution(ctx, namespace, "first", "")
		eventuallyState(ctx, first, running)
		manager.Kill()
		endPods(ctx, first, corev1.PodSucceeded)
		Expect(manager.Start(ctx)).To(Succeed())
		second := createExecution(ctx, namespace, "second", "")
		eventuallyState(ctx, first, succeeded)
		eventuallyState(ctx, second, running)
	})
})

func plain(*dispatcherv1alpha1.JobTemplate) {}
