package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

// What can happen to every call is tried with every call that openapi.yaml lists, so that none can be forgotten.
var _ = Describe("Every call", Ordered, ContinueOnFailure, func() {
	var (
		namespace   string
		authorized  http.Header
		inNamespace = func(r controlplane.Request) bool {
			mine := r.Namespace == namespace || r.Namespace == metav1.NamespaceDefault
			return mine && strings.HasPrefix(r.Resource, "job") && r.Subresource == ""
		}
	)

	BeforeAll(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		inDefault := createTemplate(ctx, metav1.NamespaceDefault)
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, inDefault)).To(Succeed()) })
		authorized = newOmnipotent(ctx, namespace)
	})

	// calls returns the operations that may be answered with a status code.
	calls := func(code string) []operation {
		found := slices.DeleteFunc(slices.Clone(described.operations),
			func(o operation) bool { return !slices.Contains(o.Codes, code) })
		Expect(found).NotTo(BeEmpty())
		return found
	}

	// call makes a call about something called name, with a query, as somebody who may, unless the header says
	// otherwise.
	call := func(ctx context.Context, operation operation, name, query, body string, header http.Header) user.Answer {
		GinkgoHelper()
		path := strings.NewReplacer("{namespace}", namespace, "{template}", name, "{name}",
			name).Replace(operation.Path)
		if header.Get("Authorization") == "" && !strings.HasPrefix(path, "/execute/"+name) {
			header = header.Clone()
			if header == nil {
				header = http.Header{}
			}
			header.Set("Authorization", authorized.Get("Authorization"))
		}
		answered, err := send(ctx, manager, operation.Method, path+query, body, header)
		Expect(err).NotTo(HaveOccurred())
		return answered
	}

	It("refuses a parameter that it does not know", func(ctx SpecContext) {
		for _, operation := range calls("400") {
			refused := call(ctx, operation, "echo", "?unknown=1", "", nil)
			Expect(refused.Code).To(Equal(http.StatusBadRequest), "%v: %s", operation, refused.Body)
			Expect(refused.Problem().Fields()).To(Equal([]string{"unknown"}))
		}
	})

	It("refuses credentials that are not valid", func(ctx SpecContext) {
		for _, operation := range calls("401") {
			refused := call(ctx, operation, "echo", "", "", http.Header{"Authorization": {"Bearer nonsense"}})
			Expect(refused.Code).To(Equal(http.StatusUnauthorized), "%v: %s", operation, refused.Body)
			Expect(refused.Problem().Reason).To(Equal("Unauthorized"))
		}
	})

	It("is refused for a host that is not Dispatcher's", func(ctx SpecContext) {
		for _, operation := range calls("421") {
			refused := call(ctx, operation, "echo", "", "", http.Header{"Host": {"evil.example"}})
			Expect(refused.Code).To(Equal(http.StatusMisdirectedRequest), "%v: %s", operation, refused.Body)
			Expect(refused.Problem().Reason).To(Equal("HostNotAllowed"))
		}
	})

	It("says what there is not", func(ctx SpecContext) {
		for _, operation := range calls("404") {
			refused := call(ctx, operation, "no-such", "", "", nil)
			Expect(refused.Code).To(Equal(http.StatusNotFound), "%v: %s", operation, refused.Body)
			Expect(refused.Problem().Reason).To(BeElementOf("JobTemplateNotFound", "ExecutionNotFound"))
		}
	})

	It("says which forms of an answer there are", func(ctx SpecContext) {
		createExecution(ctx, namespace, "echo", "")
		for _, operation := range calls("406") {
			query := ""
			if strings.HasPrefix(operation.Path, "/execute/") {
				query = "?dryRun=All" // What has run is answered in any case.
			}
			refused := call(ctx, operation, "echo", query, "", http.Header{"Accept": {"image/png"}})
			Expect(refused.Code).To(Equal(http.StatusNotAcceptable), "%v: %s", operation, refused.Body)
			Expect(refused.Problem().Reason).To(Equal("NotAcceptable"))
		}
	})

	DescribeTable("when the API server",
		func(ctx SpecContext, fault controlplane.Fault, code, reason string) {
			DeferCleanup(manager.Proxy.Inject(inNamespace, fault))
			for _, operation := range calls(code) {
				if !slices.Contains(operation.Codes, "500") {
					continue // It asks the API server for nothing.
				}
				refused := call(ctx, operation, "echo", "", "", nil)
				Expect(refused.Problem().Reason).To(Equal(reason), "%v: %s", operation, refused.Body)
			}
		},
		Entry("forbids it", controlplane.Answer(apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "x",
			http.ErrServerClosed)), "403", "Forbidden"),
		Entry("is too busy", controlplane.Answer(apierrors.NewTooManyRequests("too many requests", 3)), "429",
			"TooManyRequests"),
		Entry("cannot be reached", controlplane.Unreachable(), "503", "Unavailable"),
		Entry("gives up", controlplane.Answer(apierrors.NewTimeoutError("gave up", 0)), "504", "Timeout"),
		Entry("no longer knows the list", controlplane.Answer(apierrors.NewResourceExpired("expired")), "410",
			"Expired"),
	)

	It("is refused while too many are under way", func(ctx SpecContext) {
		restartAfterwards()
		manager.Kill()
		Expect(manager.Start(ctx, "--max-requests-in-flight=1")).To(Succeed())
		gate, held := make(chan struct{}), make(chan struct{})
		DeferCleanup(manager.Proxy.Inject(creates("jobexecutions", namespace),
			controlplane.Once(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				close(held)
				controlplane.Hold(gate)(w, r, next)
			})))
		first := make(chan user.Answer)
		go func() {
			defer GinkgoRecover()
			defer close(first)
			first <- put(ctx, namespace+"/echo", "")
		}()
		Eventually(held).WithContext(ctx).Should(BeClosed())
		for _, operation := range calls("429") {
			refused := call(ctx, operation, "echo", "", "", nil)
			Expect(refused.Problem().Reason).To(Equal("TooManyRequests"), "%v: %s", operation, refused.Body)
			Expect(refused.Header.Get("Retry-After")).To(Equal("1"))
		}
		close(gate)
		Expect((<-first).Code).To(Equal(http.StatusCreated))
	})

	It("to preview shows no Job to a caller that may not read the template", func(ctx SpecContext) {
		blind := newCaller(ctx, namespace, "blind", may("jobtemplates/executions", []string{"create"}))
		for _, operation := range calls("413") {
			header := blind
			if !strings.Contains(operation.Path, "{namespace}") {
				header = nil // Anonymous callers may execute in the default namespace.
			}
			accepted := call(ctx, operation, "echo", "?dryRun=All", "", header)
			Expect(accepted.Code).To(Equal(http.StatusNoContent), "%v: %s", operation, accepted.Body)
		}
	})

	It("to execute is answered alike", func(ctx SpecContext) {
		for i, operation := range calls("413") {
			key := http.Header{"Idempotency-Key": {fmt.Sprintf("key-%d", i)}}
			Expect(call(ctx, operation, "echo", "", "", key).Code).To(Equal(http.StatusCreated))
			Expect(call(ctx, operation, "echo", "", "", key).Code).To(Equal(http.StatusOK))
			reused := call(ctx, operation, "echo", "", "other", key)
			Expect(reused.Problem().Reason).To(Equal("IdempotencyKeyReused"))
			Expect(call(ctx, operation, "echo", "", "", http.Header{"Prefer": {"wait=0"}}).Code).
				To(Equal(http.StatusAccepted))
			Expect(call(ctx, operation, "echo", "", "a\x00b", nil).Problem().Reason).To(Equal("Invalid"))
			Expect(call(ctx, operation, "echo", "", strings.Repeat("x", 256<<10+1), nil).Problem().Reason).
				To(Equal("PayloadTooLarge"))
			Expect(call(ctx, operation, "echo", "", "x", http.Header{"Content-Encoding": {"gzip"}}).Problem().Reason).
				To(Equal("UnsupportedEncoding"))

			terminating := apierrors.NewConflict(schema.GroupResource{Resource: "namespaces"}, namespace,
				http.ErrServerClosed)
			terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
			over := manager.Proxy.Inject(inNamespace, controlplane.Answer(terminating))
			DeferCleanup(over)
			Expect(call(ctx, operation, "echo", "", "", nil).Problem().Reason).To(Equal("NamespaceTerminating"))
			over()
		}
		for _, execution := range admin.Executions(ctx, metav1.NamespaceDefault) {
			Expect(admin.Delete(ctx, &execution)).To(Succeed())
		}
	})
})

// newOmnipotent makes a service account that may make every call in its namespace, and returns the header of its calls.
func newOmnipotent(ctx context.Context, namespace string) http.Header {
	GinkgoHelper()
	return newCaller(ctx, namespace, "caller", may("jobtemplates", []string{"get", "list"}),
		may("jobtemplates/executions", []string{"create", "get", "list", "delete"}), may("jobtemplates/logs",
			[]string{"get"}))
}
