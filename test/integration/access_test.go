package integration

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

const (
	challenge        = `Bearer realm="dispatcher"`
	challengeInvalid = challenge + `, error="invalid_token"`
)

// reviews are the questions who somebody is and what he may.
func reviews(r controlplane.Request) bool {
	return slices.Contains([]string{"tokenreviews", "subjectaccessreviews"}, r.Resource)
}

func refusedWith(code int, challenge string) func(user.Answer) {
	return func(a user.Answer) {
		GinkgoHelper()
		Expect(a.Code).To(Equal(code), a.Body)
		Expect(a.Header.Get("WWW-Authenticate")).To(Equal(challenge))
	}
}

var (
	unauthorized = refusedWith(http.StatusUnauthorized, challenge)
	forbidden    = refusedWith(http.StatusForbidden, "")
)

// eventuallyExecuted waits until calls without a token to execute a template are answered with this code: the manager
// asks the API server again after ten seconds. Until then each call may start a Job, so it makes few.
func eventuallyExecuted(ctx context.Context, namespace string, code int) {
	GinkgoHelper()
	Eventually(func() int { return put(ctx, namespace+"/echo", "").Code }).
		WithContext(ctx).WithPolling(time.Second / 2).Should(Equal(code))
}

var _ = Describe("Access to the HTTP API", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { t.Name = "other" })
	})

	It("can be given for one template, whose callers neither see nor stop the executions of another",
		func(ctx SpecContext) {
			caller := newCaller(ctx, namespace, "echo-only",
				may("jobtemplates/executions", []string{"create", "get", "list", "delete"}, "echo"))
			own := callAs(ctx, caller, http.MethodPut, "/execute/"+namespace+"/echo").Execution()
			Expect(callAs(ctx, caller, http.MethodGet, "/executions/"+namespace+"/"+own.Name).Code).
				To(Equal(http.StatusOK))

			answered := callAs(ctx, caller, http.MethodPut, "/execute/"+namespace+"/other")
			forbidden(answered)
			Expect(answered.Problem().Reason).To(Equal("Forbidden"))
			Expect(answered.Problem().Detail).
				To(Equal(`user "system:serviceaccount:` + namespace +
					`:echo-only" cannot create jobtemplates/executions ` +
					`(API group dispatcher.ivan.vc) of the JobTemplate "other" in namespace "` + namespace +
					`": a RoleBinding has to grant it`))
			Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))

			others := put(ctx, namespace+"/other", "").Execution()
			path := "/executions/" + namespace + "/" + others.Name
			forbidden(callAs(ctx, caller, http.MethodGet, path))
			forbidden(callAs(ctx, caller, http.MethodDelete, path))
			forbidden(callAs(ctx, caller, http.MethodPost, path+"/cancel"))
			forbidden(callAs(ctx, caller, http.MethodGet, "/executions/"+namespace))
			Expect(callAs(ctx, caller, http.MethodGet, "/executions/"+namespace+"?template=echo").Code).
				To(Equal(http.StatusOK))
			stored := &dispatcherv1alpha1.JobExecution{}
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(others), stored)).To(Succeed())
			Expect(stored.Spec.Canceled).To(BeFalse())

			Expect(callAs(ctx, caller, http.MethodDelete, "/executions/"+namespace+"/"+own.Name).Code).
				To(BeNumerically("<", 300))
		})

	It("means nothing to the API server itself", func(ctx SpecContext) {
		newRunner(ctx, namespace)
		account := "--as=system:serviceaccount:" + namespace + ":runner"
		Expect(kubectl.Run(ctx, "auth", "can-i", "create", "jobtemplates.dispatcher.ivan.vc",
			"--subresource=executions", "-n", namespace, account).Stdout).To(HavePrefix("yes"))
		for _, resource := range []string{"jobtemplates.dispatcher.ivan.vc", "jobexecutions.dispatcher.ivan.vc",
			"jobs.batch"} {
			Expect(kubectl.Run(ctx, "auth", "can-i", "create", resource, "-n", namespace, account).Stdout).
				To(HavePrefix("no"))
		}
	})

	It("costs a caller that comes again no question to the API server", func(ctx SpecContext) {
		caller := newRunner(ctx, namespace)
		callAs(ctx, caller, http.MethodPut, "/execute/"+namespace+"/echo").Execution()
		asked := len(manager.Proxy.Requests(reviews))
		callAs(ctx, caller, http.MethodPut, "/execute/"+namespace+"/echo").Execution()
		// The webhooks ask nothing of who executes.
		Expect(manager.Proxy.Requests(reviews)).To(HaveLen(asked))
	})

	It("is refused with a token that is not valid, even where nobody needs one", func(ctx SpecContext) {
		for _, token := range []string{"nonsense", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"} {
			answered := callAs(ctx, http.Header{"Authorization": {"Bearer " + token}}, http.MethodPut,
				"/execute/"+namespace+"/echo")
			refusedWith(http.StatusUnauthorized, challengeInvalid)(answered)
			Expect(answered.Problem().Reason).To(Equal("Unauthorized"))
			Expect(manager.Output.String()).NotTo(ContainSubstring(token))
		}
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
	})

	It("ends with the service account whose token it was", func(ctx SpecContext) {
		caller := newRunner(ctx, namespace)
		callAs(ctx, caller, http.MethodPut, "/execute/"+namespace+"/echo").Execution()
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "runner"}}
		Expect(admin.Delete(ctx, account)).To(Succeed())
		Eventually(func() string {
			return callAs(ctx, caller, http.MethodGet, "/executions/"+namespace).Header.Get("WWW-Authenticate")
		}).WithContext(ctx).Should(Equal(challengeInvalid))
	})

	It("is open to anonymous callers to execute and to read what they executed, and nothing else",
		func(ctx SpecContext) {
			Expect(manager.Output.String()).To(ContainSubstring("anonymous callers may execute every JobTemplate"))
			execution := put(ctx, namespace+"/echo", "").Execution()
			path := "/executions/" + namespace + "/" + execution.Name
			Expect(callAs(ctx, nil, http.MethodGet, path).Code).To(Equal(http.StatusOK))
			Expect(callAs(ctx, nil, http.MethodGet, "/executions/"+namespace+"/no-such").Code).
				To(Equal(http.StatusNotFound))
			for _, refused := range []user.Answer{
				callAs(ctx, nil, http.MethodDelete, path),
				callAs(ctx, nil, http.MethodPost, path+"/cancel"),
				callAs(ctx, nil, http.MethodGet, "/executions/"+namespace),
				callAs(ctx, nil, http.MethodGet, "/templates/"+namespace),
				callAs(ctx, http.Header{"X-Remote-User": {"admin"}, "X-Remote-Group": {"system:masters"},
					"Impersonate-User": {"admin"}}, http.MethodGet, "/executions/"+namespace),
			} {
				unauthorized(refused)
				Expect(refused.Problem().Detail).To(ContainSubstring("send a bearer token"))
			}
			Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))
		})

	It("tells callers without a right nothing about names", func(ctx SpecContext) {
		execution := put(ctx, namespace+"/echo", "").Execution()
		// Of these, one has no right, and one has rights on another template only.
		other := may("jobtemplates/executions", []string{"get", "delete"})
		other.ResourceNames = []string{"other"}
		for _, stranger := range []http.Header{newCaller(ctx, namespace, "nobody"),
			newCaller(ctx, namespace, "other", other)} {
			for _, call := range []struct{ method, path string }{
				{http.MethodGet, ""},
				{http.MethodGet, "/events"},
				{http.MethodGet, "/logs"},
				{http.MethodPost, "/cancel"},
				{http.MethodDelete, ""},
			} {
				answer := func(name string) user.Problem {
					answered := callAs(ctx, stranger, call.method, "/executions/"+namespace+"/"+name+call.path)
					Expect(answered.Code).To(Equal(http.StatusForbidden), answered.Body)
					refused := answered.Problem()
					refused.RequestID, refused.Detail = "", strings.ReplaceAll(refused.Detail, name, "NAME")
					return refused
				}
				Expect(answer("no-such")).To(Equal(answer(execution.Name)), "%v", call)
			}
		}
	})

	It("is closed by removing one binding", func(ctx SpecContext) {
		caller := newRunner(ctx, namespace)
		execution := put(ctx, namespace+"/echo", "").Execution()
		binding := &rbacv1.ClusterRoleBinding{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: "dispatcher-anonymous-access"}, binding)).To(Succeed())
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			binding.ResourceVersion, binding.UID = "", ""
			Expect(admin.Create(ctx, binding)).To(Succeed())
			eventuallyExecuted(ctx, namespace, http.StatusCreated)
		})
		eventuallyExecuted(ctx, namespace, http.StatusUnauthorized)
		Eventually(func() int {
			return callAs(ctx, nil, http.MethodGet, "/executions/"+namespace+"/"+execution.Name).Code
		}).WithContext(ctx).Should(Equal(http.StatusUnauthorized))
		before := len(admin.Executions(ctx, namespace))

		By("telling nobody what exists")
		unauthorized(callAs(ctx, nil, http.MethodGet, "/executions/"+namespace+"/no-such"))
		unauthorized(put(ctx, namespace+"/no-such", ""))
		unauthorized(put(ctx, "no-such/echo", ""))

		By("letting in whoever has a right")
		Expect(callAs(ctx, caller, http.MethodGet, "/executions/"+namespace+"/no-such").Code).
			To(Equal(http.StatusNotFound))
		callAs(ctx, caller, http.MethodPut, "/execute/"+namespace+"/echo").Execution()
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(before + 1))
		Expect(callAs(ctx, nil, http.MethodGet, "/openapi.yaml").Code).To(Equal(http.StatusOK))
	})

	It("is closed by deploying config/overlays/secure over config/default", func(ctx SpecContext) {
		deploy := func(ctx SpecContext, overlay string) {
			GinkgoHelper()
			built := kubectl.Run(ctx, "kustomize", filepath.Join(root(), "config", overlay))
			Expect(built.Err).NotTo(HaveOccurred(), built.Stderr)
			// Nothing else of the overlays concerns who may call, and the rest needs cert-manager.
			access := slices.DeleteFunc(strings.Split(built.Stdout, "\n---\n"), func(manifest string) bool {
				return !strings.Contains(manifest, "\n  name: dispatcher-anonymous-access\n")
			})
			applied := kubectl.RunWithInput(ctx, strings.Join(access, "\n---\n"), "apply", "-f", "-")
			Expect(applied.Err).NotTo(HaveOccurred(), applied.Stderr)
		}
		DeferCleanup(func(ctx SpecContext) {
			deploy(ctx, "default")
			eventuallyExecuted(ctx, namespace, http.StatusCreated)
		})
		deploy(ctx, "default")
		eventuallyExecuted(ctx, namespace, http.StatusCreated)
		deploy(ctx, filepath.Join("overlays", "secure"))
		eventuallyExecuted(ctx, namespace, http.StatusUnauthorized)
	})

	DescribeTable("is refused for now when the API server",
		func(ctx SpecContext, resource string, fault controlplane.Fault) {
			caller := newRunner(ctx, namespace)
			remove := manager.Proxy.Inject(func(r controlplane.Request) bool { return r.Resource == resource }, fault)
			DeferCleanup(remove)
			answered := callAs(ctx, caller, http.MethodPut, "/execute/"+namespace+"/echo")
			Expect(answered.Code).To(Equal(http.StatusServiceUnavailable), answered.Body)
			Expect(answered.Problem().Reason).To(Equal("Unavailable"))
			Expect(answered.Header.Get("Retry-After")).To(Equal("5"))
			Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
			remove()
			callAs(ctx, caller, http.MethodPut, "/execute/"+namespace+"/echo").Execution()
		},
		Entry("cannot be asked who somebody is", "tokenreviews", controlplane.Unreachable()),
		Entry("cannot be asked what somebody may", "subjectaccessreviews", controlplane.Unreachable()),
		Entry("is not available", "subjectaccessreviews",
			controlplane.Answer(apierrors.NewServiceUnavailable("etcd is away"))),
		Entry("lets nobody ask", "subjectaccessreviews",
			controlplane.Answer(apierrors.NewForbidden(rbacv1.Resource("subjectaccessreviews"), "", nil))),
	)

	It("is refused for now while too many requests are being handled", func(ctx SpecContext) {
		restartAfterwards()
		manager.Kill()
		Expect(manager.Start(ctx, "--max-requests-in-flight=1")).To(Succeed())
		entered, gate := make(chan struct{}, 1), make(chan struct{})
		DeferCleanup(manager.Proxy.Inject(creates("jobexecutions", namespace),
			func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				entered <- struct{}{}
				controlplane.Hold(gate)(w, r, next)
			}))
		first := make(chan user.Answer, 1)
		go func() {
			defer GinkgoRecover()
			first <- put(ctx, namespace+"/echo", "")
		}()
		Eventually(entered).WithContext(ctx).Should(Receive())
		answered := put(ctx, namespace+"/echo", "")
		Expect(answered.Code).To(Equal(http.StatusTooManyRequests), answered.Body)
		Expect(answered.Problem().Reason).To(Equal("TooManyRequests"))
		Expect(answered.Header.Get("Retry-After")).To(Equal("1"))
		close(gate)
		var allowed user.Answer
		Eventually(first).WithContext(ctx).Should(Receive(&allowed))
		allowed.Execution()
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))
	})
})
