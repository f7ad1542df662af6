package integration

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("An execution that cannot succeed", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("ends when its template was deleted before it had a Job", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace)
		release := manager.Proxy.HoldEvents("jobexecutions")
		DeferCleanup(release)
		execution := createExecution(ctx, namespace, "late", "")
		Expect(admin.Delete(ctx, template)).To(Succeed())
		eventuallyRefused(ctx, namespace, "")
		release()
		eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonJobTemplateNotFound))
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
	})

	It("ends when its template was changed so that it does not render", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace)
		release := manager.Proxy.HoldEvents("jobexecutions")
		DeferCleanup(release)
		execution := createExecution(ctx, namespace, "late", "text")
		container(template).Env[0].Value = "{{ mustFromJson .Payload | toJson }}"
		Expect(updateTemplate(ctx, admin, template)).To(Succeed())
		eventuallyRefused(ctx, namespace, "text")
		release()
		ended := eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonRenderFailed))
		Expect(message(ended)).To(ContainSubstring(valuePath))
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
	})

	It("ends when its name belongs to another Job, which it leaves alone", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace)
		foreign := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "taken"},
			Spec: *job(template).DeepCopy()}
		foreign.Spec.Template.Spec.Containers[0].Env = nil
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		eventuallyState(ctx, createExecution(ctx, namespace, "taken", ""),
			failed(dispatcherv1alpha1.ReasonJobNameConflict))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(foreign), foreign)).To(Succeed())
		Expect(foreign.OwnerReferences).To(BeEmpty())
	})

	It("ends when its template has a fixed name and another execution runs", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.JobTemplate.Name = "the-only-one" })
		first := createExecution(ctx, namespace, "first", "")
		Expect(eventuallyState(ctx, first, running).Status.Job.Name).To(Equal("the-only-one"))
		ended := eventuallyState(ctx, createExecution(ctx, namespace, "second", ""),
			failed(dispatcherv1alpha1.ReasonJobNameConflict))
		Expect(message(ended)).To(ContainSubstring("first"))
		endPods(ctx, first, corev1.PodSucceeded)
		eventuallyState(ctx, first, succeeded)
	})

	It("ends when its Job is deleted midway, and does not run again", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "cut", "")
		eventuallyState(ctx, execution, running)
		deleted := eventuallyJob(ctx, execution)
		Expect(admin.Delete(ctx, deleted, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		ended := eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonJobDeleted))
		touch(ctx, ended, "again")
		letTheControllerCatchUp(ctx)
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
	})

	DescribeTable("ends when its Job, which never had a pod, is deleted by hand, and does not run again after a restart:",
		func(ctx SpecContext, reason string, prepare func(context.Context, string),
			change func(*dispatcherv1alpha1.JobTemplate)) {
			createTemplate(ctx, namespace, change)
			prepare(ctx, namespace)
			execution := createExecution(ctx, namespace, "idle", "")
			Expect(eventuallyState(ctx, execution, waiting(reason)).Status.Job).NotTo(BeNil())
			restartAfterwards()
			manager.Kill()
			deleted := eventuallyJob(ctx, execution)
			Expect(admin.Delete(ctx, deleted, client.PropagationPolicy(metav1.DeletePropagationBackground))).
				To(Succeed())
			eventuallyGone(ctx, deleted)
			Expect(manager.Start(ctx)).To(Succeed())
			eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonJobDeleted))
			letTheControllerCatchUp(ctx)
			Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
		},
		Entry("it asks for none", dispatcherv1alpha1.ReasonWaiting, func(context.Context, string) {}, func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).Parallelism = new(int32(0))
		}),
		Entry("a quota forbids them", dispatcherv1alpha1.ReasonPodsForbidden, forbidPods, plain),
	)

	It("says so when a webhook refuses its Job with a 404, and runs as soon as it may", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		denied := &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
			Message: `admission webhook "policy.example.com" denied the request: no such cost center`,
		}}
		remove := manager.Proxy.Inject(creates("jobs", namespace), controlplane.Answer(denied))
		DeferCleanup(remove)
		execution := createExecution(ctx, namespace, "denied", "")
		waits := eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonJobForbidden))
		Expect(message(waits)).To(ContainSubstring("no such cost center"))
		remove()
		eventuallyState(ctx, execution, running)
	})

	It("waits while a quota forbids its Job, and runs as soon as it may", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		quota := exhaustQuota(ctx, namespace)
		errors, before := map[string]string{"controller": "jobexecution"}, len(manager.Output.String())
		errorsBefore, err := manager.Metric(ctx, "controller_runtime_reconcile_errors_total", errors)
		Expect(err).NotTo(HaveOccurred())
		execution := createExecution(ctx, namespace, "patient", "")
		waits := eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonJobForbidden))
		Expect(message(waits)).To(ContainSubstring("exceeded quota"))
		Expect(admin.Delete(ctx, quota)).To(Succeed())
		eventuallyState(ctx, execution, running)
		Expect(manager.Metric(ctx, "controller_runtime_reconcile_errors_total", errors)).To(Equal(errorsBefore))
		Expect(manager.Output.String()[before:]).NotTo(ContainSubstring("Reconciler error"))
	})
})

var _ = Describe("One execution is one Job", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("while the cache does not show the Job", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		release := manager.Proxy.HoldEvents("jobs")
		DeferCleanup(release)
		execution := createExecution(ctx, namespace, "lagging", "")
		created := eventuallyJob(ctx, execution)
		touch(ctx, execution, "again")
		endPods(ctx, execution, corev1.PodSucceeded)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(created), created)).To(Succeed())
			g.Expect(created.Status.CompletionTime).NotTo(BeNil())
		}).WithContext(ctx).Should(Succeed())
		release()
		eventuallyState(ctx, execution, succeeded)
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
	})

	It("while the cache shows neither the execution's end nor that the Job is gone", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.TTLSecondsAfterFinished = new(int32(600)) })
		execution := createExecution(ctx, namespace, "lagging", "")
		eventuallyState(ctx, execution, running)
		letTheControllerCatchUp(ctx) // or the status could not be written at all, since its own last write were unknown
		release := manager.Proxy.HoldEvents("jobexecutions")
		DeferCleanup(release)
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
		Expect(admin.Delete(ctx, eventuallyJob(ctx, execution),
			client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		eventuallyGone(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "lagging"}})
		release()
		letTheControllerCatchUp(ctx)
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
		eventuallyState(ctx, execution, succeeded)
	})

	It("when the answer to its creation is lost, even if its name is another at every render", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Name = "random-{{ randAlphaNum 10 | lower }}"
		})
		release := manager.Proxy.HoldEvents("jobs")
		DeferCleanup(release)
		var lost atomic.Int32
		DeferCleanup(manager.Proxy.Inject(creates("jobs", namespace),
			controlplane.Once(controlplane.After(func() { lost.Add(1) }))))
		execution := createExecution(ctx, namespace, "lost-answer", "")
		Eventually(lost.Load).WithContext(ctx).Should(BeEquivalentTo(1))
		By("letting it try again while its cache still shows nothing")
		Eventually(func() int {
			return len(manager.Proxy.Requests(func(r controlplane.Request) bool {
				return r.Namespace == namespace && r.Resource == "jobs" && !r.DryRun
			}))
		}).WithContext(ctx).Should(BeNumerically(">", 1))
		release()
		eventuallyState(ctx, execution, running)
		Expect(names(admin.Jobs(ctx, namespace))).To(HaveLen(1))
	})

	It("while two believe to lead, even if its name is another at every render", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Name = "random-{{ randAlphaNum 10 | lower }}"
		})
		other, err := plane.NewManager("other", managerBinary, identity)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(other.Close)
		Expect(other.Start(ctx)).To(Succeed())

		By("letting both be slow when they create it")
		gate := make(chan struct{})
		release := sync.OnceFunc(func() { close(gate) })
		DeferCleanup(release)
		for _, m := range []*controlplane.Manager{manager, other} {
			DeferCleanup(m.Proxy.Inject(creates("jobs", namespace), controlplane.Hold(gate)))
		}
		execution := createExecution(ctx, namespace, "twice", "")
		for _, m := range []*controlplane.Manager{manager, other} {
			Eventually(func() []controlplane.Request {
				return m.Proxy.Requests(creates("jobs",
					namespace))
			}).WithContext(ctx).ShouldNot(BeEmpty())
		}
		release()
		eventuallyState(ctx, execution, running)
		letTheControllerCatchUp(ctx)
		Expect(names(admin.Jobs(ctx, namespace))).To(HaveLen(1))
	})

	DescribeTable("whatever the API server answers first:",
		func(ctx SpecContext, answer *apierrors.StatusError) {
			createTemplate(ctx, namespace)
			DeferCleanup(manager.Proxy.Inject(creates("jobs", namespace),
				controlplane.Once(controlplane.Answer(answer))))
			execution := createExecution(ctx, namespace, "retried", "")
			eventuallyState(ctx, execution, running)
			Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
		},
		Entry("busy", apierrors.NewTooManyRequests("busy", 1)),
		Entry("an internal error", apierrors.NewInternalError(http.ErrServerClosed)),
		Entry("not in time", apierrors.NewTimeoutError("slow", 0)),
	)
})

// forbidPods makes a quota that allows no pods.
func forbidPods(ctx context.Context, namespace string) {
	GinkgoHelper()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-pods"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	}
	Expect(admin.Create(ctx, quota)).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(quota), quota)).To(Succeed())
		g.Expect(quota.Status.Used).To(HaveKey(corev1.ResourcePods))
	}).WithContext(ctx).Should(Succeed())
}

// creates matches the creation of what is really stored.
func creates(resource, namespace string) controlplane.Match {
	return func(r controlplane.Request) bool {
		return r.Verb == "create" && r.Resource == resource && r.Namespace == namespace && !r.DryRun
	}
}

func names(jobs []batchv1.Job) []string {
	names := make([]string, 0, len(jobs))
	for i := range jobs {
		names = append(names, jobs[i].Name)
	}
	return names
}

// eventuallyRefused waits until the manager's cache knows that the template called echo cannot be run with a payload.
func eventuallyRefused(ctx context.Context, namespace, payload string) {
	GinkgoHelper()
	Eventually(func() bool {
		return apierrors.IsInvalid(admin.Create(ctx, newExecution(namespace, "tried", payload), client.DryRunAll))
	}).WithContext(ctx).Should(BeTrue())
}
