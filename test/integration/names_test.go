package integration

import (
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("The name of an execution", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	// newIndexed returns a template whose Job has 12 pods, each with a host name of its own.
	newIndexed := func(name string) *dispatcherv1alpha1.JobTemplate {
		return newTemplate(namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Name = name
			job(t).CompletionMode, job(t).Completions = new(batchv1.IndexedCompletion), new(int32(12))
			job(t).Suspend = new(true)
		})
	}

	DescribeTable("over HTTP leaves room for the index of a pod:",
		func(ctx SpecContext, name string, change func(*dispatcherv1alpha1.JobTemplate)) {
			template := newIndexed(name)
			change(template)
			Expect(admin.Create(ctx, template)).To(Succeed())
			for _, header := range []http.Header{nil, {"Idempotency-Key": {"k"}}, {"Idempotency-Key": {"k"}}} {
				answered, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace+"/"+name, "", header)
				Expect(err).NotTo(HaveOccurred())
				Expect(answered.Code).To(BeElementOf(http.StatusCreated, http.StatusOK), answered.Body)
			}
			Expect(admin.Executions(ctx, namespace)).To(HaveLen(2), "a repeated key does not run again")
			Eventually(func() []batchv1.Job { return admin.Jobs(ctx, namespace) }).WithContext(ctx).Should(HaveLen(2))
			answered, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace+"/"+name+"?dryRun=All", "", nil)
			Expect(err).NotTo(HaveOccurred())
			Expect(answered.Code).To(BeElementOf(http.StatusOK, http.StatusNoContent), answered.Body)
		},
		Entry("12 completions", strings.Repeat("t", 52), func(*dispatcherv1alpha1.JobTemplate) {}),
		Entry("a hundred thousand", strings.Repeat("t", 63), func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).Completions = new(int32(100_000))
		}),
		Entry("one, and a name that is no host name", "night.ly", func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).Completions = new(int32(1))
		}),
		Entry("and for what the template puts around it", strings.Repeat("t", 63), func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Name = "nightly-{{ .Name }}"
			job(t).Template.Labels = map[string]string{"run": "run-of-the-night-{{ .Name }}"}
		}),
	)

	It("under kubectl is refused at metadata.name, with the length that is possible", func(ctx SpecContext) {
		template := newIndexed("indexed")
		Expect(admin.Create(ctx, template)).To(Succeed())
		execution := user.NewExecution(namespace, strings.Repeat("e", 61), "indexed", "")
		applied := kubectl.Apply(ctx, execution)
		Expect(applied.Err).To(HaveOccurred())
		Expect(applied.Stderr).To(And(ContainSubstring("metadata.name"), ContainSubstring("60 characters")))
		Expect(kubectl.Apply(ctx, user.NewExecution(namespace, strings.Repeat("e", 60), "indexed", "")).Err).
			NotTo(HaveOccurred())

		By("with generateName, which the API server makes 63 characters long")
		execution.Name, execution.GenerateName = "", strings.Repeat("g", 60)
		err := admin.Create(ctx, execution)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(causes(err)).To(HaveLen(1))
		Expect(causes(err)).To(HaveKeyWithValue("metadata.name", ConsistOf(ContainSubstring("60 characters"))))
		execution.GenerateName = strings.Repeat("g", 55)
		Expect(admin.Create(ctx, execution)).To(Succeed())

		By("with completions missing, which is the template's fault")
		template = newIndexed("incomplete")
		job(template).Completions, job(template).Parallelism = nil, new(int32(2))
		Expect(causes(admin.Create(ctx, template))).To(HaveKey("spec.jobTemplate.spec.completions"))
	})
})
