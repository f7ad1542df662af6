package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("An execution tells what holds it up", func() {
	It("when no node suits its pod, and goes on when one does", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		template := newTemplate(namespace, "picky", "true")
		job(template).Template.Spec.NodeSelector = map[string]string{"e2e": namespace}
		createTemplate(ctx, template)
		execution := put(ctx, namespace, "picky", "").Execution()
		summary := eventuallyReason(ctx, execution, dispatcherv1alpha1.ReasonUnschedulable)
		Expect(summary.Status).To(Equal(metav1.ConditionUnknown))
		Expect(summary.Message).
			To(And(ContainSubstring("cannot be scheduled"), ContainSubstring("kubectl -n "+namespace+" describe pod ")))
		Expect(columns(kubectl.Run(ctx, "-n", namespace, "get", "je").Stdout)).
			To(Equal([]string{execution.Name, "picky", "Unschedulable", execution.Name}))

		label := func(ctx context.Context, change string) {
			Expect(kubectl.Run(ctx, "label", "node", "--all", change).Err).NotTo(HaveOccurred())
		}
		label(ctx, "e2e="+namespace)
		DeferCleanup(func(ctx context.Context) { label(ctx, "e2e-") })
		Expect(eventuallyFinished(ctx, execution).Reason).To(Equal(dispatcherv1alpha1.ReasonSucceeded))
	})

	It("when its image cannot be pulled, until it is canceled: then its Job and pods are gone, and it stays",
		func(ctx SpecContext) {
			namespace := newNamespace(ctx)
			template := newTemplate(namespace, "nothing", "true")
			container(template).Image = "registry.example.com/no-such-image:1"
			createTemplate(ctx, template)
			execution := put(ctx, namespace, "nothing", "").Execution()
			summary := eventuallyReason(ctx, execution, dispatcherv1alpha1.ReasonImagePullBackOff)
			Expect(summary.Status).To(Equal(metav1.ConditionUnknown))
			Expect(summary.Message).
				To(And(ContainSubstring("container main"), ContainSubstring("no-such-image:1"),
					ContainSubstring("correct JobTemplate nothing")))

			canceled := kubectl.Run(ctx, "-n", namespace, "patch", "jobexecution", execution.Name, "--type=merge", "-p",
				`{"spec":{"canceled":true}}`)
			Expect(canceled.Err).NotTo(HaveOccurred(), canceled.Stderr)
			Expect(eventuallyFinished(ctx, execution)).To(And(
				HaveField("Status", metav1.ConditionFalse), HaveField("Reason", dispatcherv1alpha1.ReasonCanceled)))
			Eventually(func(g Gomega) {
				g.Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
				g.Expect(admin.Pods(ctx, execution)).To(BeEmpty())
			}).WithContext(ctx).Should(Succeed())
			Expect(columns(kubectl.Run(ctx, "-n", namespace, "get", "je").Stdout)).
				To(Equal([]string{execution.Name, "nothing", "Canceled", execution.Name}))
		})
})

var _ = Describe("The result of an execution", func() {
	ended := func(ctx context.Context, change func(*dispatcherv1alpha1.JobTemplate),
		command ...string) *dispatcherv1alpha1.JobExecution {
		GinkgoHelper()
		namespace := newNamespace(ctx)
		template := newTemplate(namespace, "end", command...)
		change(template)
		createTemplate(ctx, template)
		execution := put(ctx, namespace, "end", "").Execution()
		eventuallyFinished(ctx, execution)
		Expect(execution.Status.Result).NotTo(BeNil())
		Expect(execution.Status.Result.Pod).To(HavePrefix(execution.Name))
		return execution
	}
	asItIs := func(*dispatcherv1alpha1.JobTemplate) {}

	It("is what the container left as its last word", func(ctx SpecContext) {
		execution := ended(ctx, asItIs, "sh", "-c", "echo 42 rows > /dev/termination-log")
		Expect(execution.Summary().Status).To(Equal(metav1.ConditionTrue))
		Expect(*execution.Status.Result).To(matchResult("main", 0, "Completed", "42 rows\n"))
	})

	It("is the exit code of what failed, and why", func(ctx SpecContext) {
		execution := ended(ctx, asItIs, "sh", "-c", "echo no database > /dev/termination-log; exit 7")
		Expect(execution.Summary().Reason).To(Equal("BackoffLimitExceeded"))
		Expect(*execution.Status.Result).To(matchResult("main", 7, "Error", "no database\n"))
	})

	It("tells when the memory did not do", func(ctx SpecContext) {
		execution := ended(ctx, func(template *dispatcherv1alpha1.JobTemplate) {
			container(template).Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")}
		}, "sh", "-c", "tail /dev/zero")
		Expect(*execution.Status.Result).To(gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
			"Container": Equal("main"), "Reason": Equal("OOMKilled"),
			"ExitCode": gstruct.PointTo(BeEquivalentTo(137))}))
	})

	It("tells that a pod was ended by its deadline", func(ctx SpecContext) {
		execution := ended(ctx, func(template *dispatcherv1alpha1.JobTemplate) {
			job(template).Template.Spec.ActiveDeadlineSeconds = new(int64(1))
		}, "sleep", "600")
		Expect(execution.Status.Result.Reason).To(Equal("DeadlineExceeded"))
	})
})

func matchResult(container string, exitCode int32, reason, message string) OmegaMatcher {
	return gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
		"Container": Equal(container), "ExitCode": gstruct.PointTo(Equal(exitCode)), "Reason": Equal(reason),
		"Message": Equal(message)})
}

// eventuallyReason waits until the summary of an execution has a reason, and returns it.
func eventuallyReason(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, reason string) metav1.Condition {
	GinkgoHelper()
	Eventually(func() string {
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
		return execution.Summary().Reason
	}).WithContext(ctx).Should(Equal(reason))
	return execution.Summary()
}
