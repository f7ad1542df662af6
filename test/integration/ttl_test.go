package integration

import (
	"context"
	"maps"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("Clean-up", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	DescribeTable("removes an execution at the end of its TTL, with its Job and pods:",
		func(ctx SpecContext, ttl int32, phase corev1.PodPhase) {
			createTemplate(ctx, namespace,
				func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.TTLSecondsAfterFinished = new(ttl) })
			execution := createExecution(ctx, namespace, "kept", "")
			seen := observe(ctx, namespace)
			endPods(ctx, execution, phase)
			eventuallyGone(ctx, execution)
			Eventually(func() int {
				return len(admin.Jobs(ctx, namespace)) +
					len(admin.Pods(ctx, execution))
			}).WithContext(ctx).Should(BeZero())
			Expect(seen.lastState()).NotTo(ContainSubstring("Unknown"), "it was finished before it went")
		},
		Entry("at once", int32(0), corev1.PodSucceeded),
		Entry("after a second, also when it failed", int32(1), corev1.PodFailed),
	)

	It("removes one that ended without a Job", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.TTLSecondsAfterFinished = new(int32(1))
		})
		release := manager.Proxy.HoldEvents("jobexecutions")
		DeferCleanup(release)
		execution := createExecution(ctx, namespace, "late", "text")
		container(template).Env[0].Value = "{{ mustFromJson .Payload | toJson }}"
		Expect(updateTemplate(ctx, admin, template)).To(Succeed())
		eventuallyRefused(ctx, namespace, "text")
		release()
		eventuallyGone(ctx, execution)
		Expect(manager.Proxy.Requests(creates("jobs", namespace))).To(BeEmpty())
	})

	It("keeps the record until the TTL of the execution when the Job goes earlier by its own", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).TTLSecondsAfterFinished = new(int32(0))
			t.Spec.TTLSecondsAfterFinished = new(int32(600))
		})
		seen := observe(ctx, namespace)
		execution := createExecution(ctx, namespace, "recorded", "")
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
		Eventually(func() []batchv1.Job { return admin.Jobs(ctx, namespace) }).WithContext(ctx).Should(BeEmpty())

		By("making the controller look again, and again after a restart")
		touch(ctx, execution, "once")
		letTheControllerCatchUp(ctx)
		restartAfterwards()
		manager.Kill()
		Expect(manager.Start(ctx)).To(Succeed())
		touch(ctx, execution, "twice")
		letTheControllerCatchUp(ctx)
		eventuallyState(ctx, execution, succeeded)
		Expect(seen.jobs()).To(HaveLen(1))
	})

	It("lets the record go with the Job where the execution has no TTL", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { job(t).TTLSecondsAfterFinished = new(int32(0)) })
		seen := observe(ctx, namespace)
		execution := createExecution(ctx, namespace, "short", "")
		endPods(ctx, execution, corev1.PodFailed)
		eventuallyGone(ctx, execution)
		Expect(seen.lastState()).To(Equal(failed("BackoffLimitExceeded")))
		letTheControllerCatchUp(ctx)
		Expect(seen.jobs()).To(HaveLen(1))
	})

	It("records the outcome of a Job that ended while no manager was there, before its TTL deletes it",
		func(ctx SpecContext) {
			createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
				job(t).TTLSecondsAfterFinished = new(int32(0))
				t.Spec.TTLSecondsAfterFinished = new(int32(600))
			})
			seen := observe(ctx, namespace)
			execution := createExecution(ctx, namespace, "unattended", "")
			created := eventuallyJob(ctx, execution)
			restartAfterwards()
			manager.Kill()
			Expect(created.Spec.TTLSecondsAfterFinished).
				To(HaveValue(BeEquivalentTo(dispatcherv1alpha1.MinJobTTLSeconds)))
			endPods(ctx, execution, corev1.PodSucceeded)
			Eventually(func(g Gomega) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(created), created)).To(Succeed())
				g.Expect(created.Status.CompletionTime).NotTo(BeNil())
			}).WithContext(ctx).Should(Succeed())
			Expect(manager.Start(ctx)).To(Succeed())
			eventuallyState(ctx, execution, succeeded)
			eventuallyGone(ctx, created)
			Expect(seen.jobs()).To(HaveLen(1))
		})

	DescribeTable("when the finished Job is deleted by hand",
		func(ctx SpecContext, ttl *int32, check func(context.Context, *dispatcherv1alpha1.JobExecution)) {
			createTemplate(ctx, namespace,
				func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.TTLSecondsAfterFinished = ttl })
			seen := observe(ctx, namespace)
			execution := createExecution(ctx, namespace, "by-hand", "")
			endPods(ctx, execution, corev1.PodSucceeded)
			eventuallyState(ctx, execution, succeeded)
			deleted := eventuallyJob(ctx, execution)
			Expect(admin.Delete(ctx, deleted, client.PropagationPolicy(metav1.DeletePropagationBackground))).
				To(Succeed())
			eventuallyGone(ctx, deleted)
			check(ctx, execution)
			Expect(seen.jobs()).To(HaveLen(1))
		},
		Entry("keeps a record that has a TTL, and does not run it again", new(int32(600)),
			func(ctx context.Context, e *dispatcherv1alpha1.JobExecution) {
				letTheControllerCatchUp(ctx)
				eventuallyState(ctx, e, succeeded)
			}),
		Entry("removes a record that has none", nil, func(ctx context.Context,
			e *dispatcherv1alpha1.JobExecution) {
			eventuallyGone(ctx, e)
		}),
	)

	It("keeps no namespace from being deleted when no manager is there any more", func(ctx SpecContext) {
		for name, ttl := range map[string]*int32{"plain": nil, "with-ttl": new(int32(600))} {
			createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
				t.Name = name
				job(t).TTLSecondsAfterFinished = ttl
			})
			for _, execution := range []string{name + "-runs", name + "-ended"} {
				created := newExecution(namespace, execution, "")
				created.Spec.JobTemplateName = name
				Expect(admin.Create(ctx, created)).To(Succeed())
				eventuallyState(ctx, created, running)
			}
		}
		restartAfterwards()
		manager.Kill()
		for _, name := range []string{"plain-ended", "with-ttl-ended"} {
			endPods(ctx, newExecution(namespace, name, ""), corev1.PodSucceeded)
		}
		leaving := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		Expect(admin.Delete(ctx, leaving)).To(Succeed())
		eventuallyGone(ctx, leaving)
	})

	It("removes Job and pods of an execution that is deleted midway, with a TTL of the Job or without",
		func(ctx SpecContext) {
			for name, ttl := range map[string]*int32{"plain": nil, "with-ttl": new(int32(600))} {
				createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
					t.Name = name
					job(t).TTLSecondsAfterFinished = ttl
				})
				execution := newExecution(namespace, name, "")
				execution.Spec.JobTemplateName = name
				Expect(admin.Create(ctx, execution)).To(Succeed())
				eventuallyState(ctx, execution, running)
				Expect(admin.Delete(ctx, execution)).To(Succeed())
				eventuallyGone(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
			}
		})
})

// history is all that happened to the executions and Jobs of a namespace.
type history struct {
	executions watch.Interface
	state      string

	mu   sync.Mutex
	uids map[types.UID]bool // of all Jobs so far
}

// observe begins to watch.
func observe(ctx context.Context, namespace string) *history {
	GinkgoHelper()
	h := &history{uids: map[types.UID]bool{}}
	var err error
	h.executions, err = admin.Watch(ctx, &dispatcherv1alpha1.JobExecutionList{}, client.InNamespace(namespace))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(h.executions.Stop)
	all, err := admin.Watch(ctx, &batchv1.JobList{}, client.InNamespace(namespace))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(all.Stop)
	go h.collect(all)
	return h
}

// collect takes the events as they come: whoever looked into the channel now and then would miss those that are on
// their way.
func (h *history) collect(all watch.Interface) {
	for event := range all.ResultChan() {
		if created, ok := event.Object.(*batchv1.Job); ok {
			h.mu.Lock()
			h.uids[created.UID] = true
			h.mu.Unlock()
		}
	}
}

// lastState is the state in which the executions were seen last, once one of them is deleted.
func (h *history) lastState() string {
	GinkgoHelper()
	var event watch.Event
	for event.Type != watch.Deleted {
		Eventually(h.executions.ResultChan()).Should(Receive(&event))
		if execution, ok := event.Object.(*dispatcherv1alpha1.JobExecution); ok {
			h.state = state(execution)
		}
	}
	return h.state
}

// jobs returns the UIDs of all Jobs that there ever were.
func (h *history) jobs() map[types.UID]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.uids)
}
