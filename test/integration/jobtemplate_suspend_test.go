package integration

import (
	"context"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("A suspended template", func() {
	var namespace string
	var template *dispatcherv1alpha1.JobTemplate

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		template = createTemplate(ctx, namespace)
	})

	suspend := func(ctx context.Context, value string) {
		GinkgoHelper()
		Expect(admin.Patch(ctx, template.DeepCopy(),
			client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspend":`+value+`}}`)))).To(Succeed())
	}
	call := func(ctx context.Context, query, key, payload string) user.Answer {
		GinkgoHelper()
		header := asOperator(nil)
		if key != "" {
			header.Set("Idempotency-Key", key)
		}
		return mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo"+query, payload, header)
	}

	It("refuses new executions by all doors, and resumes at once", func(ctx SpecContext) {
		first := call(ctx, "", "first", "p")
		Expect(first.Code).To(Equal(http.StatusCreated), first.Body)
		suspend(ctx, "true")
		By("waiting until the cache has the change")
		Eventually(func() error {
			return admin.Create(ctx, newExecution(namespace, "waits", ""), client.DryRunAll)
		}).WithContext(ctx).ShouldNot(Succeed())

		for _, query := range []string{"", "?dryRun=All"} {
			for _, payload := range []string{"p", "a\x00b"} {
				refused := call(ctx, query, "", payload)
				Expect(refused.Code).To(Equal(http.StatusConflict), refused.Body)
				Expect(refused.Problem().Reason).To(BeEquivalentTo("TemplateSuspended"))
				Expect(refused.Problem().Detail).To(ContainSubstring(`"echo"`))
				Expect(refused.Header).NotTo(HaveKey("Retry-After"))
			}
		}
		err := admin.Create(ctx, newExecution(namespace, "refused", ""))
		Expect(apierrors.HasStatusCause(err, dispatcherv1alpha1.CauseTemplateSuspended)).To(BeTrue(), "%v", err)
		Expect(err).To(HaveField("ErrStatus.Code", BeEquivalentTo(http.StatusConflict)))
		for _, args := range [][]string{{"create"}, {"apply"}, {"apply", "--server-side"}, {"replace", "--force"}} {
			refused := kubectl.RunWithInput(ctx, user.Manifest(newExecution(namespace, "refused", "")), append(args, "-f", "-")...)
			Expect(refused.Err).To(HaveOccurred())
			Expect(refused.Stderr).To(And(
				ContainSubstring("TemplateSuspended"), ContainSubstring(`"echo"`),
				// What kubectl says of a conflict.
				Not(ContainSubstring("other managers")), Not(ContainSubstring("already exists")),
			))
		}
		shown := callAs(ctx, operator, http.MethodGet, "/templates/"+namespace+"/echo")
		Expect(shown.Body).To(ContainSubstring(`"suspend":true`))
		Expect(callAs(ctx, operator, http.MethodGet, "/templates/"+namespace).Body).To(ContainSubstring(`"suspend":true`))
		Expect(kubectl.Run(ctx, "get", "jobtemplates", "-n", namespace).Stdout).
			To(MatchRegexp(`SUSPEND[^\n]*\necho .*true`))

		By("answering a call that was accepted before, and not remembering one that was refused")
		repeated := call(ctx, "", "first", "p")
		Expect(repeated.Code).To(Equal(http.StatusOK), repeated.Body)
		Expect(repeated.Header.Get("Location")).To(Equal(first.Header.Get("Location")))
		Expect(call(ctx, "", "second", "p").Code).To(Equal(http.StatusConflict))

		By("telling nobody more than before")
		nobody := newCaller(ctx, namespace, "nobody", may("jobtemplates/executions", []string{"create"}, "other"))
		Expect(mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo", "", nobody).Code).To(Equal(http.StatusForbidden))
		Expect(call(ctx, "", "", "p").Code).To(Equal(http.StatusConflict))

		By("resuming while the cache does not know")
		release := manager.Proxy.HoldEvents("jobtemplates")
		DeferCleanup(release)
		suspend(ctx, "null")
		second := call(ctx, "", "second", "p")
		Expect(second.Code).To(Equal(http.StatusCreated), second.Body)
		createExecution(ctx, namespace, "resumed", "")
	})

	It("keeps nothing from running that was accepted before", func(ctx SpecContext) {
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "none"}}
		quota.Spec.Hard = corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(quota), quota)).To(Succeed())
			g.Expect(quota.Status.Hard).NotTo(BeEmpty())
		}).WithContext(ctx).Should(Succeed())
		createExecution(ctx, namespace, "waiting", "")
		Eventually(func(g Gomega) {
			g.Expect(admin.Executions(ctx, namespace)).To(ConsistOf(HaveField("Status.Conditions",
				ContainElement(HaveField("Reason", dispatcherv1alpha1.ReasonJobForbidden)))))
		}).WithContext(ctx).Should(Succeed())
		suspend(ctx, "true")
		Expect(admin.Delete(ctx, quota)).To(Succeed())
		Eventually(func() int { return len(admin.Jobs(ctx, namespace)) }).WithContext(ctx).Should(Equal(1))
	})
})
