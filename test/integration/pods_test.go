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

var _ = Describe("The pods of an execution", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("that no node has room for, and then no image, make it wait and say why, until they run", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "held-up", "")
		eventuallyState(ctx, execution, running)

		setPods(ctx, execution, unschedulable("0/3 nodes are available: 3 Insufficient cpu."))
		waits := eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonUnschedulable))
		Expect(message(waits)).To(ContainSubstring("3 Insufficient cpu"))
		setPods(ctx, execution, containerWaits("ErrImagePull", "not found"))
		waits = eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonImagePullBackOff))
		Expect(message(waits)).To(And(ContainSubstring("not found"), ContainSubstring("JobTemplate echo")))

		// Events follow the status that they are about.
		Eventually(func() []string { return reasonsOf(eventsAbout(ctx, execution)) }).WithContext(ctx).
			Should(ConsistOf("Unschedulable", "ImagePullBackOff"))

		By("letting the kubelet try again and again")
		writes := func(r controlplane.Request) bool {
			return r.Write() && r.Namespace == namespace && !ofTemplateStatus(r)
		}
		before := len(manager.Proxy.Requests(writes))
		for _, reason := range []string{"ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"} {
			setPods(ctx, execution, containerWaits(reason, "try "+reason))
		}
		letTheControllerCatchUp(ctx)
		Expect(manager.Proxy.Requests(writes)[before:]).To(BeEmpty())

		setPods(ctx, execution, containerRuns)
		eventuallyState(ctx, execution, running)
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
		Eventually(func() []string { return reasonsOf(eventsAbout(ctx, execution)) }).WithContext(ctx).
			Should(ConsistOf("Unschedulable", "ImagePullBackOff", "Succeeded"))
	})

	It("say at the end what came out", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "told", "")
		setPods(ctx, execution, containerEnds(0, "Completed", "42"))
		ended := eventuallyState(ctx, execution, succeeded)
		Expect(ended.Status.Result).To(Equal(&dispatcherv1alpha1.JobExecutionResult{
			Pod: admin.Pods(ctx,
				execution)[0].Name, Container: "echo", ExitCode: new(int32(0)), Reason: "Completed", Message: "42",
		}))
		Expect(rows(kubectl.Run(ctx, "-n", namespace, "get", "je", "-o", "wide"))[1]).To(ContainElement("0"))
	})

	It("say what failed, though the cache of pods lags behind, in the same write as the end", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "lagging", "")
		eventuallyState(ctx, execution, running)
		inNamespace := func(r controlplane.Request) bool {
			return r.Namespace == namespace && r.Verb != "get" && !ofTemplateStatus(r)
		}
		before := len(manager.Proxy.Requests(inNamespace))
		DeferCleanup(manager.Proxy.HoldEvents("pods"))
		setPods(ctx, execution, containerEnds(137, "OOMKilled", ""))
		ended := eventuallyState(ctx, execution, failed(batchv1.JobReasonBackoffLimitExceeded))
		Expect(ended.Status.Result).
			To(HaveValue(And(HaveField("Reason", "OOMKilled"), HaveField("ExitCode", HaveValue(BeEquivalentTo(137))))))
		requests := func() []controlplane.Request { return manager.Proxy.Requests(inNamespace)[before:] }
		Eventually(requests).WithContext(ctx).Should(HaveExactElements(
			HaveField("String()", ContainSubstring("list pods")),
			HaveField("String()", ContainSubstring("patch jobexecutions/status")),
			HaveField("String()", ContainSubstring("create events")),
		))
	})

	It("are remembered when a deadline removes them before they started", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { job(t).ActiveDeadlineSeconds = new(int64(3)) })
		execution := createExecution(ctx, namespace, "overdue", "")
		setPods(ctx, execution, containerWaits("ErrImagePull", "not found"))
		ended := eventuallyState(ctx, execution, failed(batchv1.JobReasonDeadlineExceeded))
		Expect(admin.Pods(ctx, execution)).To(BeEmpty())
		Expect(ended.Status.Result).
			To(HaveValue(And(HaveField("Reason", "ImagePullBackOff"), HaveField("Container", "echo"),
				HaveField("Message", "not found"))))
	})

	It("do not keep an execution from its end when they cannot be read", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { job(t).ActiveDeadlineSeconds = new(int64(1)) })
		lists := func(r controlplane.Request) bool {
			return r.Verb == "list" && r.Resource == "pods" && r.Namespace == namespace
		}
		DeferCleanup(manager.Proxy.Inject(lists, controlplane.Unreachable()))
		execution := createExecution(ctx, namespace, "unread", "")
		Expect(eventuallyState(ctx, execution, failed(batchv1.JobReasonDeadlineExceeded)).Status.Result).To(BeNil())
		Expect(manager.Proxy.Requests(lists)).NotTo(BeEmpty())
	})
})

// setPods does what the scheduler or the kubelet does to an execution's pods, now or as soon as there are some.
func setPods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, change func(*corev1.PodStatus)) {
	GinkgoHelper()
	Eventually(func() []corev1.Pod { return admin.Pods(ctx, execution) }).WithContext(ctx).ShouldNot(BeEmpty())
	for _, pod := range admin.Pods(ctx, execution) {
		patch := client.MergeFrom(pod.DeepCopy())
		change(&pod.Status)
		Expect(admin.Status().Patch(ctx, &pod, patch)).To(Succeed())
	}
}

func unschedulable(message string) func(*corev1.PodStatus) {
	return func(status *corev1.PodStatus) {
		status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			Message:            message,
			LastTransitionTime: metav1.Now(),
		}}
	}
}

func containerWaits(reason, message string) func(*corev1.PodStatus) {
	return inState(corev1.PodPending, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason,
		Message: message}})
}

func containerRuns(status *corev1.PodStatus) {
	inState(corev1.PodRunning,
		corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}})(status)
}

func containerEnds(code int32, reason, message string) func(*corev1.PodStatus) {
	phase := corev1.PodSucceeded
	if code != 0 {
		phase = corev1.PodFailed
	}
	return inState(phase, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, Message: message, StartedAt: metav1.Now(), FinishedAt: metav1.Now(),
	}})
}

// inState makes the status of a scheduled pod whose one container is in a state.
func inState(phase corev1.PodPhase, state corev1.ContainerState) func(*corev1.PodStatus) {
	return func(status *corev1.PodStatus) {
		status.Phase = phase
		status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.Now()}}
		status.ContainerStatuses = []corev1.ContainerStatus{{Name: "echo", Image: "alpine:latest", State: state}}
	}
}
