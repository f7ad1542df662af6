package integration

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("An execution that is canceled", func() {
	var (
		namespace string
		canceled  = failed(dispatcherv1alpha1.ReasonCanceled)
	)

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("ends by kubectl patch, without its Job and pods, is told of once and stays as the record",
		func(ctx SpecContext) {
			createTemplate(ctx, namespace)
			execution := createExecution(ctx, namespace, "stopped", "")
			eventuallyState(ctx, execution, running)
			patched := kubectl.Run(ctx, "-n", namespace, "patch", "je", "stopped", "--type=merge", "-p",
				`{"spec":{"canceled":true}}`)
			Expect(patched.Err).NotTo(HaveOccurred(), patched.Stderr)

			ended := eventuallyState(ctx, execution, canceled)
			Expect(message(ended)).To(ContainSubstring("create another JobExecution"))
			Expect(ended.Status.CompletionTime).NotTo(BeNil())
			Expect(ended.Status.Job.Name).To(Equal("stopped"))
			Expect(ended.Status.ObservedGeneration).To(BeEquivalentTo(2))
			eventuallyWithoutJob(ctx, execution)
			letTheControllerCatchUp(ctx)
			eventuallyState(ctx, execution, canceled)
			Expect(eventsAbout(ctx, execution)).
				To(HaveExactElements(HaveField("Reason", dispatcherv1alpha1.ReasonCanceled)))
			Expect(finished(ctx, namespace, "canceled")).To(BeEquivalentTo(1))
		})

	It("never has a Job, if it is created so", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		seen := observe(ctx, namespace)
		execution := newExecution(namespace, "unwanted", "")
		execution.Spec.Canceled = true
		Expect(admin.Create(ctx, execution)).To(Succeed())
		Expect(eventuallyState(ctx, execution, canceled).Status.Job).To(BeNil())
		letTheControllerCatchUp(ctx)
		Expect(seen.jobs()).To(BeEmpty())
	})

	It("removes a Job that has a TTL, and goes itself at its own", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).TTLSecondsAfterFinished = new(int32(600))
			t.Spec.TTLSecondsAfterFinished = new(int32(1))
		})
		seen := observe(ctx, namespace)
		execution := createExecution(ctx, namespace, "timed", "")
		eventuallyState(ctx, execution, running)
		Expect(eventuallyJob(ctx, execution).Finalizers).To(BeEmpty())
		cancel(ctx, execution)
		eventuallyWithoutJob(ctx, execution)
		eventuallyGone(ctx, execution)
		Expect(seen.lastState()).To(Equal(canceled))
	})

	It("stops waiting for a Job that is forbidden", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		exhaustQuota(ctx, namespace)
		execution := createExecution(ctx, namespace, "patient", "")
		eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonJobForbidden))
		cancel(ctx, execution)
		Expect(eventuallyState(ctx, execution, canceled).Status.Job).To(BeNil())
	})

	It("keeps the outcome of a Job that finished first, though the cache does not show it", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "quick", "")
		eventuallyState(ctx, execution, running)
		letTheControllerCatchUp(ctx)
		DeferCleanup(manager.Proxy.HoldEvents("jobs"))
		endPods(ctx, execution, corev1.PodSucceeded)
		Eventually(func() *metav1.Time { return eventuallyJob(ctx, execution).Status.CompletionTime }).WithContext(ctx).
			ShouldNot(BeNil())
		cancel(ctx, execution)
		eventuallyState(ctx, execution, succeeded)
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
	})

	It("loses its Job after a restart, if the manager died between the two", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "cut", "")
		eventuallyState(ctx, execution, running)
		restartAfterwards()
		deletes := func(r controlplane.Request) bool {
			return r.Verb == "delete" && r.Resource == "jobs" && r.Namespace == namespace
		}
		DeferCleanup(manager.Proxy.Inject(deletes, controlplane.Once(controlplane.Before(manager.Kill))))
		cancel(ctx, execution)
		eventuallyState(ctx, execution, canceled)
		Eventually(manager.Running).WithContext(ctx).Should(BeFalse())
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
		Expect(manager.Start(ctx)).To(Succeed())
		eventuallyWithoutJob(ctx, execution)
		eventuallyState(ctx, execution, canceled)
	})

	It("takes along the Job that was being created meanwhile", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		release := manager.Proxy.HoldEvents("jobs")
		DeferCleanup(release)
		execution := createExecution(ctx, namespace, "raced", "")
		eventuallyJob(ctx, execution)
		cancel(ctx, execution)
		Expect(eventuallyState(ctx, execution, canceled).Status.Job).NotTo(BeNil())
		release()
		eventuallyWithoutJob(ctx, execution)
	})
})

// cancel does what kubectl patch does.
func cancel(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) {
	GinkgoHelper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"canceled":true}}`))
	Expect(admin.Patch(ctx, execution.DeepCopy(), patch)).To(Succeed())
}

// eventuallyWithoutJob waits until neither Job nor pods of an execution are left.
func eventuallyWithoutJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) {
	GinkgoHelper()
	eventuallyGone(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: execution.Namespace,
		Name: execution.Name}})
	Eventually(func() []corev1.Pod { return admin.Pods(ctx, execution) }).WithContext(ctx).Should(BeEmpty())
}
