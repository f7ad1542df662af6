package integration

import (
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("A payload that makes the Job invalid", func() {
	var namespace string
	var reader http.Header

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		reader = newOmnipotent(ctx, namespace)
	})

	tries := func() int {
		return len(manager.Proxy.Requests(func(r controlplane.Request) bool {
			return r.Resource == "jobs" && r.DryRun && r.Namespace == namespace && !ofTemplateStatus(r)
		}))
	}

	It("is refused at the field of the template, by all doors in the same words", func(ctx SpecContext) {
		for i, test := range invalidJobs {
			By(test.reason)
			name := fmt.Sprintf("case-%d", i)
			createTemplate(ctx, namespace, templateFor(test, name))
			field := "spec.jobTemplate." + test.field

			err := admin.Create(ctx, user.NewExecution(namespace, "bad", name, test.bad))
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%s: %.300v", test.reason, err)
			Expect(causes(err)).To(HaveKeyWithValue(field, Not(BeEmpty())), "%s: %.300v", test.reason, err)
			Expect(err.Error()).NotTo(ContainSubstring(marker))
			refused := put(ctx, namespace+"/"+name, test.bad)
			Expect(refused.Code).To(Equal(http.StatusUnprocessableEntity), test.reason)
			Expect(refused.Problem().Fields()).To(ContainElement(field), test.reason)
			Expect(refused.Body).NotTo(ContainSubstring(marker))
			for _, caller := range []http.Header{nil, reader} {
				previewed := mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/"+name+"?dryRun=All", test.bad, caller)
				Expect(previewed.Problem().Errors).To(Equal(refused.Problem().Errors), test.reason)
				Expect(previewed.Problem().Detail).To(Equal(refused.Problem().Detail), test.reason)
			}

			good := user.NewExecution(namespace, "good", name, test.good)
			Expect(admin.Create(ctx, good, client.DryRunAll)).To(Succeed(), test.reason)
		}
		applied := kubectl.Apply(ctx, user.NewExecution(namespace, "bad", "case-0", invalidJobs[0].bad))
		Expect(applied.Err).To(HaveOccurred())
		Expect(applied.Stderr).To(ContainSubstring("spec.jobTemplate." + invalidJobs[0].field))
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
	})

	It("costs no call where the template puts payloads into free text alone", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Annotations = map[string]string{"note": "{{ .Payload }}"}
			container(t).Args = []string{"{{ .Payload }}"}
		})
		before := tries()
		Expect(put(ctx, namespace+"/echo", "refs/heads/main").Code).To(Equal(http.StatusCreated))
		createExecution(ctx, namespace, "plain", "refs/heads/main")
		Expect(tries()).To(Equal(before))
	})

	It("is told from what a quota or a policy refuses, which waits", func(ctx SpecContext) {
		createTemplate(ctx, namespace, templateFor(invalidJobs[0], "echo"))
		Expect(admin.Create(ctx, &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-jobs"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}},
		})).To(Succeed())
		accepted := createExecution(ctx, namespace, "waits", "main")
		eventuallyState(ctx, accepted, waiting(dispatcherv1alpha1.ReasonJobForbidden))
		refused := put(ctx, namespace+"/echo", "refs/heads/main")
		Expect(refused.Code).To(Equal(http.StatusUnprocessableEntity), refused.Body)
		Expect(refused.Body).NotTo(ContainSubstring("quota"))
	})

	It("is not accepted while the API server cannot say", func(ctx SpecContext) {
		createTemplate(ctx, namespace, templateFor(invalidJobs[0], "echo"))
		DeferCleanup(manager.Proxy.Inject(func(r controlplane.Request) bool {
			return r.Resource == "jobs" && r.DryRun && r.Namespace == namespace && !ofTemplateStatus(r)
		}, controlplane.Unreachable()))
		answered := put(ctx, namespace+"/echo", "main")
		Expect(answered.Code).To(Equal(http.StatusServiceUnavailable), answered.Body)
		Expect(apierrors.IsServiceUnavailable(admin.Create(ctx, newExecution(namespace, "lost", "main")))).To(BeTrue())
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
	})

	It("has no words of a policy, and fields of the template alone", func(ctx SpecContext) {
		createTemplate(ctx, namespace, templateFor(invalidJobs[0], "echo"))
		inject := func(err *apierrors.StatusError) func() {
			return manager.Proxy.Inject(func(r controlplane.Request) bool {
				return r.Resource == "jobs" && r.DryRun && r.Namespace == namespace && !ofTemplateStatus(r)
			}, controlplane.Answer(err))
		}
		remove := inject(&apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
			Message: `admission webhook "policy.example.com" denied the request: cost center`,
		}})
		Expect(put(ctx, namespace+"/echo", "refs/heads/main").Code).To(Equal(http.StatusCreated))
		remove()
		DeferCleanup(inject(&apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
			Message: "Job is invalid", Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
				{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.template.spec.initContainers[0].name",
					Message: `Invalid value: "injected": is not allowed`},
			}},
		}}))
		refused := put(ctx, namespace+"/echo", "refs/heads/main")
		Expect(refused.Problem().Fields()).To(Equal([]string{"spec.jobTemplate"}))
		Expect(refused.Body).NotTo(Or(ContainSubstring("injected"), ContainSubstring("not allowed")))
	})

	It("is told in the status where the template was changed after admission", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.SamplePayload = new("main") })
		release := manager.Proxy.HoldEvents("jobexecutions")
		DeferCleanup(release)
		execution := createExecution(ctx, namespace, "late", "refs/heads/main")
		template.Spec.JobTemplate.Labels = map[string]string{"branch": marker + "{{ .Payload }}"}
		Expect(updateTemplate(ctx, admin, template)).To(Succeed())
		eventuallyRefused(ctx, namespace, "refs/heads/main")
		release()
		ended := eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonJobInvalid))
		Expect(message(ended)).To(ContainSubstring("spec.jobTemplate.metadata.labels[branch]: Invalid value"))
		texts := []string{message(ended)}
		for _, event := range eventsAbout(ctx, ended) {
			texts = append(texts, event.Note)
		}
		Expect(strings.Join(texts, "\n")).NotTo(Or(ContainSubstring(marker), ContainSubstring("refs/heads")))
	})
})
