package integration

import (
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("The life of an execution", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("is one Job, which has its name, its owner, the template's labels and the payload", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Labels = map[string]string{"team": "data", "tier": "batch"}
			t.Spec.JobTemplate.Labels = map[string]string{"tier": "{{ .JobTemplate.Labels.team }}-of-job"}
			t.Spec.JobTemplate.Annotations = map[string]string{"for": "{{ .Namespace }}/{{ .Name }}"}
			job(t).Template.Labels = map[string]string{"app": "{{ .JobTemplate.Name }}"}
		})
		execution := newExecution(namespace, "run", "my test payload")
		execution.Labels = map[string]string{"caller": "somebody"}
		Expect(admin.Create(ctx, execution)).To(Succeed())

		created := eventuallyJob(ctx, execution)
		Expect(metav1.IsControlledBy(created, execution)).To(BeTrue())
		Expect(created.Labels).To(And(
			HaveKeyWithValue(dispatcherv1alpha1.LabelJobTemplate, "echo"),
			HaveKeyWithValue(dispatcherv1alpha1.LabelJobExecution, "run"),
			HaveKeyWithValue("team", "data"),
			HaveKeyWithValue("tier", "data-of-job"),
			Not(HaveKey("caller")),
		))
		Expect(created.Annotations).To(And(
			HaveKeyWithValue("for", namespace+"/run"),
			HaveKeyWithValue(dispatcherv1alpha1.AnnotationJobTemplateUID, string(template.UID)),
			HaveKeyWithValue(dispatcherv1alpha1.AnnotationJobTemplateGeneration,
				strconv.FormatInt(template.Generation, 10)),
		))
		Expect(created.Spec.Template.Labels).To(And(
			HaveKeyWithValue(dispatcherv1alpha1.LabelJobTemplate, "echo"),
			HaveKeyWithValue(dispatcherv1alpha1.LabelJobExecution, "run"),
			HaveKeyWithValue("app", "echo"),
			Not(HaveKey("team")), // or the pods would be endpoints of a Service that selects it
		))
		Expect(created.Spec.Template.Spec.Containers[0].Env).
			To(ConsistOf(corev1.EnvVar{Name: "PAYLOAD", Value: "my test payload"}))
		Expect(created.Spec.Template.Spec.Containers[0].Command).To(HaveExactElements("echo", "$(PAYLOAD)"))
	})

	DescribeTable("carries the payload so that the container gets it byte for byte:",
		func(ctx SpecContext, payload string) {
			createTemplate(ctx, namespace)
			created := eventuallyJob(ctx, createExecution(ctx, namespace, "run", payload))
			// The kubelet turns $$ into $, and leaves alone what is no reference.
			stored := created.Spec.Template.Spec.Containers[0].Env[0].Value
			Expect(strings.ReplaceAll(stored, "$$", "$")).To(Equal(payload))
			Expect(strings.ReplaceAll(stored, "$$", "")).NotTo(ContainSubstring("$("))
		},
		Entry("nothing", ""),
		Entry("references", "$(HOME) $$(HOME) $$ $ $5 $("),
		Entry("what looks like a template", "{{ .Payload }} {{"),
		Entry("white space", "  a\n\tb\r\n "),
		Entry("more than ASCII", "žluťoučký 🐎 \u2028"),
		Entry("quotes and backslashes", `"'\\"`),
		Entry("as much as the kernel takes", strings.Repeat("x", 100_000)),
	)

	It("goes from running to succeeded", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "run", "")
		started := eventuallyState(ctx, execution, running)
		created := eventuallyJob(ctx, execution)
		Expect(started.Status.Job).
			To(Equal(&dispatcherv1alpha1.JobReference{APIVersion: "batch/v1", Kind: "Job", Name: "run",
				UID: created.UID}))
		Expect(started.Status.JobTemplate).
			To(Equal(&dispatcherv1alpha1.JobTemplateReference{UID: template.UID, Generation: template.Generation}))
		Expect(started.Status.StartTime).NotTo(BeNil())
		Expect(started.Status.CompletionTime).To(BeNil())
		Expect(started.Status.ObservedGeneration).To(Equal(execution.Generation))

		endPods(ctx, execution, corev1.PodSucceeded)
		ended := eventuallyState(ctx, execution, succeeded)
		Expect(ended.Status.CompletionTime).NotTo(BeNil())
		Expect(ended.Status.Duration).NotTo(BeNil())
		Expect(ended.Status.Duration.Duration).To(Equal(ended.Status.CompletionTime.Sub(ended.Status.StartTime.Time)))
	})

	It("waits while its Job is suspended, and runs when it is resumed", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { job(t).Suspend = new(true) })
		execution := createExecution(ctx, namespace, "run", "")
		eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonSuspended))

		created := eventuallyJob(ctx, execution)
		patch := client.MergeFrom(created.DeepCopy())
		created.Spec.Suspend = new(false)
		Expect(admin.Patch(ctx, created, patch)).To(Succeed())
		eventuallyState(ctx, execution, running)
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
	})

	It("ends with the Job's own reason when its pods fail", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "run", "")
		endPods(ctx, execution, corev1.PodFailed)
		ended := eventuallyState(ctx, execution, failed(batchv1.JobReasonBackoffLimitExceeded))
		Expect(ended.Status.CompletionTime).NotTo(BeNil())
		Expect(message(ended)).To(ContainSubstring("run"))
	})

	It("ends with the Job's own reason when it takes too long", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { job(t).ActiveDeadlineSeconds = new(int64(1)) })
		execution := createExecution(ctx, namespace, "run", "")
		eventuallyState(ctx, execution, failed(batchv1.JobReasonDeadlineExceeded))
	})

	It("has a name of up to 63 characters", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, strings.Repeat("n", 63), "")
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
	})

	It("goes on when the template is deleted midway", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "run", "")
		eventuallyState(ctx, execution, running)
		Expect(admin.Delete(ctx, template)).To(Succeed())
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
	})

	It("ends, with all that belongs to it, when its namespace is deleted", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { job(t).TTLSecondsAfterFinished = new(int32(600)) })
		eventuallyState(ctx, createExecution(ctx, namespace, "running", ""), running)
		ended := createExecution(ctx, namespace, "ended", "")
		endPods(ctx, ended, corev1.PodSucceeded)
		eventuallyState(ctx, ended, succeeded)

		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		Expect(admin.Delete(ctx, object)).To(Succeed())
		eventuallyGone(ctx, object)
	})
})
