package integration

import (
	"context"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("The caller of an execution", func() {
	var namespace string
	var bob, carol client.Client

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace, value(`{{ .Caller.Username }} by {{ .Caller.Via }}`))
		all := may("jobexecutions", []string{"create", "get", "update", "patch", "delete"})
		bob, carol = newUser(ctx, namespace, "bob", all), newUser(ctx, namespace, "carol", all)
	})

	by := func(username string, via dispatcherv1alpha1.CallerVia) *dispatcherv1alpha1.Caller {
		return &dispatcherv1alpha1.Caller{Username: username, Via: via}
	}
	claimed := func(name string) *dispatcherv1alpha1.JobExecution {
		execution := newExecution(namespace, name, "")
		execution.Spec.Caller = by("system:admin", dispatcherv1alpha1.CallerViaHTTP)
		return execution
	}
	stored := func(ctx context.Context, name string) *dispatcherv1alpha1.Caller {
		GinkgoHelper()
		found := &dispatcherv1alpha1.JobExecution{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)).To(Succeed())
		return found.Spec.Caller
	}
	// kubectlAs runs kubectl as a user, by impersonation.
	kubectlAs := func(ctx context.Context, username, input string, args ...string) string {
		GinkgoHelper()
		result := kubectl.RunWithInput(ctx, input, append(args, "-n", namespace, "--as", username)...)
		Expect(result.Err).NotTo(HaveOccurred(), result.Stderr)
		return result.Stdout
	}

	It("is the user of the request, whoever it names", func(ctx SpecContext) {
		bobs := by("bob", dispatcherv1alpha1.CallerViaKubernetes)
		for _, execution := range []*dispatcherv1alpha1.JobExecution{newExecution(namespace, "own", ""), claimed("claimed")} {
			Expect(bob.Create(ctx, execution)).To(Succeed())
			Expect(execution.Spec.Caller).To(Equal(bobs))
		}
		tried := claimed("tried")
		Expect(bob.Create(ctx, tried, client.DryRunAll)).To(Succeed())
		Expect(tried.Spec.Caller).To(Equal(bobs))
		named := claimed("")
		named.GenerateName = "named-"
		Expect(bob.Create(ctx, named)).To(Succeed())
		Expect(named.Spec.Caller).To(Equal(bobs))

		kubectlAs(ctx, "carol", user.Manifest(claimed("as")), "create", "-f", "-")
		Expect(stored(ctx, "as")).To(Equal(by("carol", dispatcherv1alpha1.CallerViaKubernetes)))
		Expect(kubectl.Run(ctx, "get", "jobexecutions", "-n", namespace, "as", "-o", "wide").Stdout).
			To(ContainSubstring("carol"))
		Eventually(func(g Gomega) {
			jobs := admin.Jobs(ctx, namespace)
			g.Expect(jobs).To(ContainElement(And(
				HaveField("Name", "as"),
				HaveField("Spec.Template.Spec.Containers", ContainElement(
					HaveField("Env", ContainElement(HaveField("Value", "carol by Kubernetes"))))),
			)))
		}).WithContext(ctx).Should(Succeed())
	})

	It("stays as it is when a manifest is applied again, by whomever", func(ctx SpecContext) {
		plain, other := newExecution(namespace, "plain", ""), claimed("other")
		for _, execution := range []*dispatcherv1alpha1.JobExecution{plain, other} {
			manifest := user.Manifest(execution)
			for _, apply := range [][]string{{"apply", "-f", "-"}, {"apply", "--server-side", "--field-manager=m", "-f", "-"}} {
				execution.Name += "x"
				manifest := strings.ReplaceAll(manifest, "name: "+strings.TrimRight(execution.Name, "x")+"\n",
					"name: "+execution.Name+"\n")
				for _, username := range []string{"bob", "bob", "carol"} {
					kubectlAs(ctx, username, manifest, apply...)
					Expect(stored(ctx, execution.Name)).To(Equal(by("bob", dispatcherv1alpha1.CallerViaKubernetes)))
				}
				// It fails where there are differences.
				Expect(kubectlAs(ctx, "carol", manifest, append([]string{"diff"}, apply[1:]...)...)).To(BeEmpty())
			}
			kubectlAs(ctx, "carol", user.Manifest(execution), "replace", "-f", "-")
			Expect(stored(ctx, execution.Name)).To(Equal(by("bob", dispatcherv1alpha1.CallerViaKubernetes)))
		}
		By("applying what was exported, as one who cannot be the caller of it")
		exported := kubectlAs(ctx, "carol", "", "get", "jobexecution", "plainx", "-o", "yaml")
		kubectlAs(ctx, "carol", exported, "apply", "-f", "-")
		Expect(stored(ctx, "plainx")).To(Equal(by("bob", dispatcherv1alpha1.CallerViaKubernetes)))
	})

	It("cannot be changed or removed, and costs no call when it is left alone", func(ctx SpecContext) {
		execution := newExecution(namespace, "kept", "")
		Expect(bob.Create(ctx, execution)).To(Succeed())
		for _, change := range []string{`{"spec":{"caller":null}}`, `{"spec":{"caller":{"username":"carol"}}}`,
			`{"spec":{"caller":{"via":"HTTP"}}}`} {
			Expect(carol.Patch(ctx, execution.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(change)))).
				To(Succeed())
			Expect(stored(ctx, "kept")).To(Equal(by("bob", dispatcherv1alpha1.CallerViaKubernetes)))
		}
		called := func() float64 {
			GinkgoHelper()
			count, err := manager.Metric(ctx, "controller_runtime_webhook_requests_total",
				map[string]string{"webhook": "/mutate-dispatcher-ivan-vc-v1alpha1-jobexecution"})
			Expect(err).NotTo(HaveOccurred())
			return count
		}
		before := called()
		for _, change := range []string{`{"metadata":{"labels":{"a":"b"}}}`, `{"spec":{"canceled":true}}`} {
			Expect(carol.Patch(ctx, execution.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(change)))).
				To(Succeed())
		}
		eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonCanceled))
		Expect(called()).To(Equal(before))
	})

	It("is the user that the HTTP API has authenticated, also while its cache lacks the template", func(ctx SpecContext) {
		caller := newCaller(ctx, namespace, "deployer", may("jobtemplates/executions", []string{"create", "get"}))
		deployer := by("system:serviceaccount:"+namespace+":deployer", dispatcherv1alpha1.CallerViaHTTP)
		Eventually(func() map[string]string { return put(ctx, namespace+"/echo", "").Execution().Annotations }).
			Should(HaveKey(dispatcherv1alpha1.AnnotationDefaulted))
		made := mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo", "", caller).Execution()
		Expect(made.Spec.Caller).To(Equal(deployer))
		anonymous := put(ctx, namespace+"/echo", "").Execution()
		Expect(anonymous.Spec.Caller).To(Equal(by("system:anonymous", dispatcherv1alpha1.CallerViaHTTP)))

		release := manager.Proxy.HoldEvents("jobtemplates")
		DeferCleanup(release)
		createTemplate(ctx, namespace, value("{{ .Caller.Username }}"), func(t *dispatcherv1alpha1.JobTemplate) { t.Name = "new" })
		made = mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/new", "", caller).Execution()
		Expect(made.Annotations).NotTo(HaveKey(dispatcherv1alpha1.AnnotationDefaulted))
		Expect(made.Spec.Caller).To(Equal(deployer))
		release()

		By("previewing it")
		preview := mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo?dryRun=All", "", asOperator(nil))
		Expect(preview.Code).To(Equal(http.StatusOK), preview.Body)
		Expect(preview.Body).To(ContainSubstring("system:serviceaccount:" + managerNamespace + ":operator by HTTP"))
	})
})
