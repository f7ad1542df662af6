package e2e

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("An execution tells its outcome", func() {
	It("when the pod succeeds", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		createTemplate(ctx, newTemplate(namespace, "sleep", "sleep", "2"))
		execution := put(ctx, namespace, "sleep", "").Execution()
		summary := eventuallyFinished(ctx, execution)
		Expect(summary.Status).To(Equal(metav1.ConditionTrue))
		Expect(summary.Reason).To(Equal(dispatcherv1alpha1.ReasonSucceeded))
		Expect(execution.Status.Job.Name).To(Equal(execution.Name))
		Expect(execution.Status.Duration.Seconds()).To(BeNumerically(">=", 2))
		Expect(execution.Status.CompletionTime.Sub(execution.Status.StartTime.Time)).
			To(Equal(execution.Status.Duration.Duration))
	})

	It("when the pod fails, with each try that the template allows", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		template := newTemplate(namespace, "fail", "sh", "-c", "exit 3")
		job(template).BackoffLimit = new(int32(1))
		createTemplate(ctx, template)
		execution := put(ctx, namespace, "fail", "").Execution()
		summary := eventuallyFinished(ctx, execution)
		Expect(summary.Status).To(Equal(metav1.ConditionFalse))
		Expect(summary.Reason).To(Equal("BackoffLimitExceeded"))
		Expect(summary.Message).To(ContainSubstring("kubectl -n " + namespace + " logs job/" + execution.Name))
		Expect(admin.Pods(ctx, execution)).To(HaveLen(2), "the first try and one more")
		Expect(columns(kubectl.Run(ctx, "-n", namespace, "get", "je").Stdout)).
			To(Equal([]string{execution.Name, "fail", "BackoffLimitExceeded", execution.Name}))
	})

	It("when the pod takes longer than the template allows", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		template := newTemplate(namespace, "slow", "sleep", "600")
		job(template).ActiveDeadlineSeconds = new(int64(2))
		createTemplate(ctx, template)
		execution := put(ctx, namespace, "slow", "").Execution()
		summary := eventuallyFinished(ctx, execution)
		Expect(summary.Status).To(Equal(metav1.ConditionFalse))
		Expect(summary.Reason).To(Equal("DeadlineExceeded"))
		Expect(execution.Status.Duration.Seconds()).To(And(BeNumerically(">=", 2), BeNumerically("<", 600)))
	})

	It("when its Job waits to be resumed, and then runs", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		template := newTemplate(namespace, "later", "sleep", "2")
		job(template).Suspend = new(true)
		createTemplate(ctx, template)
		execution := put(ctx, namespace, "later", "").Execution()
		key := client.ObjectKeyFromObject(execution)
		reason := func() string {
			Expect(admin.Get(ctx, key, execution)).To(Succeed())
			return execution.Summary().Reason
		}
		Eventually(reason).WithContext(ctx).Should(Equal(dispatcherv1alpha1.ReasonSuspended))
		Expect(execution.Summary().Message).To(ContainSubstring("spec.suspend"))
		Expect(admin.Pods(ctx, execution)).To(BeEmpty())
		Expect(columns(kubectl.Run(ctx, "-n", namespace, "get", "je").Stdout)).
			To(Equal([]string{execution.Name, "later", "Suspended", execution.Name}))

		resumed := kubectl.Run(ctx, "-n", namespace, "patch", "job", execution.Name, "-p", `{"spec":{"suspend":false}}`)
		Expect(resumed.Err).NotTo(HaveOccurred())
		Eventually(reason).WithContext(ctx).Should(Equal(dispatcherv1alpha1.ReasonRunning))
		Expect(columns(kubectl.Run(ctx, "-n", namespace, "get", "je").Stdout)).
			To(Equal([]string{execution.Name, "later", "Running", execution.Name}))
		Expect(eventuallyFinished(ctx, execution).Reason).To(Equal(dispatcherv1alpha1.ReasonSucceeded))
	})

	DescribeTable("until its time to live is over: then it goes, with its Job and pods",
		func(ctx SpecContext, set func(*dispatcherv1alpha1.JobTemplate)) {
			namespace := newNamespace(ctx)
			template := newTemplate(namespace, "brief", "true")
			set(template)
			createTemplate(ctx, template)
			execution := put(ctx, namespace, "brief", "").Execution()
			Expect(eventuallyFinished(ctx, execution).Reason).To(Equal(dispatcherv1alpha1.ReasonSucceeded))
			Eventually(func(g Gomega) {
				g.Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
				g.Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
				g.Expect(admin.Pods(ctx, execution)).To(BeEmpty())
			}).WithContext(ctx).Should(Succeed())
		},
		Entry("that of the template",
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.TTLSecondsAfterFinished = new(int32(3)) }),
		Entry("that of the Job",
			func(t *dispatcherv1alpha1.JobTemplate) { job(t).TTLSecondsAfterFinished = new(int32(3)) }),
	)
})

// columns are the first four of the one line below the headings of `kubectl get jobexecutions`. What comes after them
// are times.
func columns(table string) []string {
	GinkgoHelper()
	lines := strings.Split(strings.TrimSpace(table), "\n")
	Expect(lines).To(HaveLen(2))
	return strings.Fields(lines[1])[:4]
}
