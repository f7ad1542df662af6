package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("The start deadline of a template", func() {
	var namespace string
	late := failed(dispatcherv1alpha1.ReasonStartDeadlineExceeded)
	within := func(seconds int32) func(*dispatcherv1alpha1.JobTemplate) {
		return func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.StartDeadlineSeconds = &seconds }
	}

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("ends an execution whose image cannot be pulled, and removes its Job and pods", func(ctx SpecContext) {
		createTemplate(ctx, namespace, within(4))
		execution := createExecution(ctx, namespace, "late", "")
		setPods(ctx, execution, containerWaits("ErrImagePull", "no such image"))
		Expect(message(eventuallyState(ctx, execution, late))).
			To(And(ContainSubstring("within 4 seconds"), ContainSubstring("no such image")))
		eventuallyWithoutJob(ctx, execution)
		moments := &moments{}
		moments.add(ctx, "start deadline", hasFailed, execution)
		Expect(moments.computed(ctx)).To(Equal(moments.wanted))
	})

	It("ends one that is suspended, as queues do it, and one that a quota keeps from having a Job", func(ctx SpecContext) {
		createTemplate(ctx, namespace, within(3), func(t *dispatcherv1alpha1.JobTemplate) { job(t).Suspend = new(true) })
		Expect(message(eventuallyState(ctx, createExecution(ctx, namespace, "queued", ""), late))).
			To(ContainSubstring("suspended"))
		create(ctx, namespace, &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")},
		}}, "no-jobs")
		execution := createExecution(ctx, namespace, "refused", "")
		Expect(message(eventuallyState(ctx, execution, late))).To(ContainSubstring("exceeded quota"))
	})

	It("is met by a pod that has started, whatever becomes of it, also after a restart", func(ctx SpecContext) {
		restartAfterwards()
		createTemplate(ctx, namespace, within(6), func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).BackoffLimit = new(int32(6))
		})
		writes := func(r controlplane.Request) bool {
			return r.Write() && r.Namespace == namespace && r.Resource == "jobexecutions"
		}
		execution := createExecution(ctx, namespace, "met", "")
		setPods(ctx, execution, containerRuns)
		eventuallyState(ctx, execution, running)
		Expect(len(manager.Proxy.Requests(writes))).To(BeNumerically("<=", 2))
		manager.Kill()
		for _, pod := range admin.Pods(ctx, execution) {
			Expect(admin.Delete(ctx, &pod, client.GracePeriodSeconds(0))).To(Succeed())
		}
		Eventually(func() bool { return time.Since(execution.CreationTimestamp.Time) > 8*time.Second }).WithContext(ctx).
			Should(BeTrue())
		Expect(manager.Start(ctx)).To(Succeed())
		setPods(ctx, execution, unschedulable("no room"))
		found := eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonUnschedulable))
		Expect(found.Status.PodStartTime).NotTo(BeNil())
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
	})

	It("ends an execution that no leader has handled in time, without a Job", func(ctx SpecContext) {
		restartAfterwards()
		createTemplate(ctx, namespace, within(2))
		release := manager.Proxy.HoldEvents("jobexecutions")
		DeferCleanup(release)
		execution := createExecution(ctx, namespace, "alone", "")
		manager.Kill()
		release()
		Eventually(func() bool { return time.Since(execution.CreationTimestamp.Time) > 3*time.Second }).WithContext(ctx).
			Should(BeTrue())
		Expect(manager.Start(ctx)).To(Succeed())
		eventuallyState(ctx, execution, late)
		eventuallyWithoutJob(ctx, execution)
	})
})
