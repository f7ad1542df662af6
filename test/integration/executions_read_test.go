package integration

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("An execution, over HTTP,", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
	})

	It("is read back at the address that it was answered with, in JSON or YAML", func(ctx SpecContext) {
		created := put(ctx, namespace+"/echo", "my test payload")
		execution := created.Execution()
		eventuallyState(ctx, execution, running)
		for form, decode := range map[string]func([]byte, any) error{
			"application/json": json.Unmarshal,
			"application/yaml": func(body []byte, into any) error { return yaml.UnmarshalStrict(body, into) },
		} {
			answered := call(ctx, http.MethodGet, created.Header.Get("Location"), http.Header{"Accept": {form}})
			Expect(answered.Code).To(Equal(http.StatusOK), answered.Body)
			Expect(answered.Header.Get("Content-Type")).To(Equal(form))
			found := &dispatcherv1alpha1.JobExecution{}
			Expect(decode([]byte(answered.Body), found)).To(Succeed())
			Expect(state(found)).To(Equal(running))
			Expect(found.UID).To(Equal(execution.UID))
			Expect(found.TypeMeta).To(Equal(execution.TypeMeta))
			Expect(found.Spec).To(Equal(execution.Spec))
			Expect(found.ManagedFields).To(BeEmpty())
		}
	})

	It("has an entity tag for each of its states", func(ctx SpecContext) {
		execution := put(ctx, namespace+"/echo", "").Execution()
		eventuallyState(ctx, execution, running)
		letTheControllerCatchUp(ctx)
		first := call(ctx, http.MethodGet, location(execution), nil)
		tag := first.Header.Get("ETag")
		Expect(tag).To(MatchRegexp(`^"[^"]+"$`))
		same := call(ctx, http.MethodGet, location(execution), http.Header{"If-None-Match": {`"other", ` + tag}})
		Expect(same.Code).To(Equal(http.StatusNotModified))
		Expect(same.Body).To(BeEmpty())
		Expect(same.Header.Get("ETag")).To(Equal(tag))
		head := call(ctx, http.MethodHead, location(execution), nil)
		Expect(head.Code).To(Equal(http.StatusOK))
		Expect(head.Body).To(BeEmpty())
		Expect(head.Header.Get("ETag")).To(Equal(tag))
		touch(ctx, execution, "a change")
		changed := call(ctx, http.MethodGet, location(execution), http.Header{"If-None-Match": {tag}})
		Expect(changed.Code).To(Equal(http.StatusOK))
		Expect(changed.Header.Get("ETag")).NotTo(Equal(tag))
	})

	Describe("is refused", func() {
		type refusal struct {
			method, path string // GET, where not given
			header       http.Header
			body         string
			code         int
			reason       string
			fields       []string
		}
		DescribeTable("",
			func(ctx SpecContext, r refusal) {
				execution := createExecution(ctx, namespace, "kept", "")
				eventuallyState(ctx, execution, running)
				method := http.MethodGet
				if r.method != "" {
					method = r.method
				}
				answered, err := send(ctx, manager, method, strings.ReplaceAll(r.path, "NAMESPACE", namespace), r.body,
					asOperator(r.header))
				Expect(err).NotTo(HaveOccurred())
				Expect(answered.Code).To(Equal(r.code), answered.Body)
				problem := answered.Problem()
				Expect(problem.Reason).To(Equal(r.reason))
				Expect(problem.Detail).NotTo(BeEmpty())
				Expect(problem.Fields()).To(ConsistOf(r.fields))
				if r.code == http.StatusMethodNotAllowed {
					Expect(answered.Header.Get("Allow")).To(ContainSubstring("OPTIONS"))
				}
				eventuallyState(ctx, execution, running)
			},
			Entry("where there is none", refusal{path: "/executions/NAMESPACE/none", code: 404,
				reason: "ExecutionNotFound"}),
			Entry("in a namespace that there is not", refusal{path: "/executions/no-such/kept", code: 404,
				reason: "ExecutionNotFound"}),
			Entry("with a name that none can have", refusal{path: "/executions/NAMESPACE/Kept", code: 400,
				reason: "InvalidRequest", fields: []string{"name"}}),
			Entry("in a namespace that none can be", refusal{path: "/executions/Name_space/kept", code: 400,
				reason: "InvalidRequest", fields: []string{"namespace"}}),
			Entry("with a parameter that it does not know",
				refusal{path: "/executions/NAMESPACE/kept?watch=true", code: 400, reason: "InvalidRequest",
					fields: []string{"watch"}}),
			Entry("to one who waits for no number", refusal{path: "/executions/NAMESPACE/kept?wait=long", code: 400,
				reason: "InvalidRequest", fields: []string{"wait"}}),
			Entry("in another form", refusal{path: "/executions/NAMESPACE/kept",
				header: http.Header{"Accept": {"text/html"}}, code: 406, reason: "NotAcceptable"}),
			Entry("its events, in another form", refusal{path: "/executions/NAMESPACE/kept/events",
				header: http.Header{"Accept": {"application/json"}}, code: 406, reason: "NotAcceptable"}),
			Entry("the events of none", refusal{path: "/executions/NAMESPACE/none/events", code: 404,
				reason: "ExecutionNotFound"}),
			Entry("to be replaced", refusal{method: http.MethodPut, path: "/executions/NAMESPACE/kept", code: 405,
				reason: "MethodNotAllowed"}),
			Entry("to be canceled by reading", refusal{path: "/executions/NAMESPACE/kept/cancel", code: 405,
				reason: "MethodNotAllowed"}),
			Entry("to be canceled with a body", refusal{method: http.MethodPost,
				path: "/executions/NAMESPACE/kept/cancel", body: "{}", code: 400, reason: "InvalidRequest"}),
			Entry("to be canceled where there is none",
				refusal{method: http.MethodPost, path: "/executions/NAMESPACE/none/cancel", code: 404,
					reason: "ExecutionNotFound"}),
			Entry("to be deleted with a body", refusal{method: http.MethodDelete, path: "/executions/NAMESPACE/kept",
				body: "{}", code: 400, reason: "InvalidRequest"}),
			Entry("to be deleted in another form",
				refusal{method: http.MethodDelete, path: "/executions/NAMESPACE/kept",
					header: http.Header{"Accept": {"text/html"}}, code: 406, reason: "NotAcceptable"}),
			Entry("to be deleted with the others", refusal{method: http.MethodDelete, path: "/executions/NAMESPACE",
				code: 405, reason: "MethodNotAllowed"}),
			Entry("a list of too many", refusal{path: "/executions/NAMESPACE?limit=501", code: 400,
				reason: "InvalidRequest", fields: []string{"limit"}}),
			Entry("a list of an unknown state", refusal{path: "/executions/NAMESPACE?state=done", code: 400,
				reason: "InvalidRequest", fields: []string{"state"}}),
			Entry("a list that goes on from nowhere", refusal{path: "/executions/NAMESPACE?continue=nonsense",
				code: 400, reason: "InvalidRequest", fields: []string{"continue"}}),
			Entry("a list of templates that goes on from nowhere",
				refusal{path: "/templates/NAMESPACE?continue=nonsense", code: 400, reason: "InvalidRequest",
					fields: []string{"continue"}}),
			Entry("a template that there is not", refusal{path: "/templates/NAMESPACE/none", code: 404,
				reason: "JobTemplateNotFound"}),
			Entry("a template that is put here", refusal{method: http.MethodPut, path: "/templates/NAMESPACE/echo",
				code: 405, reason: "MethodNotAllowed"}),
		)
	})

	DescribeTable("is refused, with the time to come back, when the API server",
		func(ctx SpecContext, fault controlplane.Fault, code int, reason string, retryAfter string) {
			execution := createExecution(ctx, namespace, "kept", "")
			eventuallyState(ctx, execution, running)
			inNamespace := func(r controlplane.Request) bool {
				return r.Namespace == namespace && r.APIGroup == dispatcherv1alpha1.GroupVersion.Group
			}
			remove := manager.Proxy.Inject(inNamespace, fault)
			DeferCleanup(remove)
			for path, method := range map[string]string{
				location(execution):                                              http.MethodGet,
				location(execution) + "?wait=60":                                 http.MethodGet,
				location(execution) + "/events":                                  http.MethodGet,
				location(execution) + "/cancel":                                  http.MethodPost,
				location(execution) + "?":                                        http.MethodDelete,
				"/executions/" + namespace:                                       http.MethodGet,
				"/templates/" + namespace:                                        http.MethodGet,
				"/templates/" + namespace + "/" + execution.Spec.JobTemplateName: http.MethodGet,
			} {
				By(method + " " + path)
				answered := call(ctx, method, path, nil)
				Expect(answered.Code).To(Equal(code), answered.Body)
				Expect(answered.Problem().Reason).To(Equal(reason))
				Expect(answered.Header.Get("Retry-After")).To(Equal(retryAfter))
			}
			remove()
			Expect(call(ctx, http.MethodGet, location(execution), nil).ExecutionOf(http.StatusOK).Spec.Canceled).
				To(BeFalse())
		},
		Entry("cannot be reached", controlplane.Unreachable(), 503, "Unavailable", "5"),
		Entry("is not available", controlplane.Answer(apierrors.NewServiceUnavailable("etcd is away")), 503,
			"Unavailable", "5"),
		Entry("is too busy", controlplane.Answer(apierrors.NewTooManyRequests("too many requests", 3)), 429,
			"TooManyRequests", "3"),
		Entry("gives up", controlplane.Answer(apierrors.NewTimeoutError("gave up", 0)), 504, "Timeout", ""),
	)

	It("is told to be out of reach of a list that has expired", func(ctx SpecContext) {
		expired := controlplane.Answer(apierrors.NewResourceExpired("the provided continue parameter is too old"))
		lists := func(r controlplane.Request) bool { return r.Verb == "list" && r.Namespace == namespace }
		DeferCleanup(manager.Proxy.Inject(lists, expired))
		for _, of := range []string{"/executions/", "/templates/"} {
			answered := call(ctx, http.MethodGet, of+namespace+"?continue=x", nil)
			Expect(answered.Code).To(Equal(http.StatusGone), answered.Body)
			Expect(answered.Problem().Reason).To(Equal("Expired"))
		}
	})
})

// call makes a call without a body to the suite's manager, as the operator.
func call(ctx context.Context, method, path string, header http.Header) user.Answer {
	GinkgoHelper()
	return callTo(ctx, manager, method, path, header)
}

func callTo(ctx context.Context, m *controlplane.Manager, method, path string, header http.Header) user.Answer {
	GinkgoHelper()
	answered, err := send(ctx, m, method, path, "", asOperator(header))
	Expect(err).NotTo(HaveOccurred())
	return answered
}

// getInBackground makes a call that takes its time. Nothing comes after an error.
func getInBackground(ctx context.Context, m *controlplane.Manager, path string, header http.Header) <-chan user.Answer {
	answers := make(chan user.Answer, 1)
	go func() {
		defer GinkgoRecover()
		defer close(answers)
		if answered, err := send(ctx, m, http.MethodGet, path, "", asOperator(header)); err == nil {
			answers <- answered
		}
	}()
	return answers
}

// newRunningExecution executes a template in a namespace of its own, and returns when the controller has nothing more
// to do about that for now.
func newRunningExecution(ctx context.Context,
	change ...func(*dispatcherv1alpha1.JobTemplate)) *dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	namespace := admin.NewNamespace(ctx)
	createTemplate(ctx, namespace, change...)
	execution := put(ctx, namespace+"/echo", "p").Execution()
	eventuallyState(ctx, execution, running)
	return execution
}

// location is the path of an execution in the HTTP API.
func location(execution *dispatcherv1alpha1.JobExecution) string {
	return "/executions/" + execution.Namespace + "/" + execution.Name
}

// gets matches what reads an execution of a namespace.
func gets(namespace string) controlplane.Match {
	return func(r controlplane.Request) bool {
		return r.Verb == "get" && r.Resource == "jobexecutions" && r.Namespace == namespace
	}
}
