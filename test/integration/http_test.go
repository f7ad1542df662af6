package integration

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("The HTTP API", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	DescribeTable("executes a template by",
		func(ctx SpecContext, method string) {
			template := createTemplate(ctx, namespace)
			answered, err := send(ctx, manager, method, "/execute/"+namespace+"/echo", "my test payload",
				http.Header{"X-Request-Id": {"my-request"}})
			Expect(err).NotTo(HaveOccurred())
			execution := answered.Execution()
			Expect(answered.Header.Get("Content-Type")).To(Equal("application/json"))
			Expect(answered.Header.Get("Location")).To(Equal("/executions/" + namespace + "/" + execution.Name))
			Expect(answered.Header.Get("X-Request-Id")).To(Equal("my-request"))
			Expect(execution.TypeMeta).
				To(Equal(metav1.TypeMeta{APIVersion: "dispatcher.ivan.vc/v1alpha1", Kind: "JobExecution"}))
			Expect(execution.ManagedFields).To(BeEmpty())
			Expect(execution.Spec).
				To(Equal(dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: template.Name,
					Payload: "my test payload",
					Caller:  &dispatcherv1alpha1.Caller{Username: "system:anonymous", Via: dispatcherv1alpha1.CallerViaHTTP}}))
			Expect(execution.Annotations).To(HaveKeyWithValue(dispatcherv1alpha1.AnnotationRequestID, "my-request"))

			stored := &dispatcherv1alpha1.JobExecution{}
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), stored)).To(Succeed())
			Expect(stored.UID).To(Equal(execution.UID))
			created := eventuallyJob(ctx, execution)
			Expect(created.Spec.Template.Spec.Containers[0].Env[0].Value).To(Equal("my test payload"))
		},
		Entry("PUT", http.MethodPut),
		Entry("POST", http.MethodPost),
	)

	It("means the default namespace where none is named", func(ctx SpecContext) {
		template := createTemplate(ctx, "default", func(t *dispatcherv1alpha1.JobTemplate) { t.Name = "in-default" })
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, template)).To(Succeed()) })
		execution := put(ctx, "in-default", "").Execution()
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, execution)).To(Succeed()) })
		Expect(execution.Namespace).To(Equal("default"))
	})

	It("gives a template with the longest name executions with a name that a Job can have", func(ctx SpecContext) {
		longest := strings.Repeat("n", 63)
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { t.Name = longest })
		eventuallyState(ctx, put(ctx, namespace+"/"+longest, "").Execution(), running)
	})

	Describe("refuses, and creates nothing,", func() {
		type refusal struct {
			method, target, payload string // PUT, the template called echo, and nothing, where not given
			header                  http.Header
			code                    int
			reason                  string
			fields                  []string
		}
		DescribeTable("",
			func(ctx SpecContext, r refusal) {
				createTemplate(ctx, namespace,
					value(`{{ required "name is missing" (index (mustFromJson .Payload) "name") }}`),
					func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.SamplePayload = new(`{"name":"x"}`) })
				path := "/execute/NAMESPACE/echo"
				if r.target != "" {
					path = r.target
				}
				method := http.MethodPut
				if r.method != "" {
					method = r.method
				}
				answered, err := send(ctx, manager, method, strings.ReplaceAll(path, "NAMESPACE", namespace), r.payload,
					r.header)
				Expect(err).NotTo(HaveOccurred())
				Expect(answered.Code).To(Equal(r.code), answered.Body)
				problem := answered.Problem()
				Expect(problem.Reason).To(Equal(r.reason))
				Expect(problem.Detail).NotTo(BeEmpty())
				Expect(problem.Fields()).To(ConsistOf(r.fields))
				if r.code == http.StatusMethodNotAllowed {
					Expect(answered.Header.Get("Allow")).To(And(ContainSubstring("PUT"), ContainSubstring("POST")))
				}
				Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
			},
			Entry("a namespace that is no name", refusal{target: "/execute/Name_space/echo", code: 400,
				reason: "InvalidRequest", fields: []string{"namespace"}}),
			Entry("a template that is no name", refusal{target: "/execute/NAMESPACE/Echo", code: 400,
				reason: "InvalidRequest", fields: []string{"template"}}),
			Entry("a name with a slash in it", refusal{target: "/execute/NAMESPACE/a%2Fb", code: 400,
				reason: "InvalidRequest", fields: []string{"template"}}),
			Entry("a payload that is not UTF-8", refusal{payload: "a\xffb", code: 400, reason: "InvalidRequest",
				fields: []string{"payload"}}),
			Entry("a dry-run of a kind that there is not",
				refusal{target: "/execute/NAMESPACE/echo?dryRun=Client", code: 400, reason: "InvalidRequest",
					fields: []string{"dryRun"}}),
			Entry("a parameter that it does not know", refusal{target: "/execute/NAMESPACE/echo?force=true", code: 400,
				reason: "InvalidRequest", fields: []string{"force"}}),
			Entry("a path that it does not have", refusal{target: "/run/echo", code: 404, reason: "NotFound"}),
			Entry("a template that does not exist", refusal{target: "/execute/NAMESPACE/no-such", code: 404,
				reason: "JobTemplateNotFound", fields: []string{"spec.jobTemplateName"}}),
			Entry("a namespace that does not exist", refusal{target: "/execute/no-such/echo", code: 404,
				reason: "NamespaceNotFound"}),
			Entry("a method that the path does not take",
				refusal{method: http.MethodGet, code: 405, reason: "MethodNotAllowed"}),
			Entry("a payload over the limit", refusal{payload: strings.Repeat("x", 256<<10+1), code: 413,
				reason: "PayloadTooLarge"}),
			Entry("a payload that is compressed", refusal{header: http.Header{"Content-Encoding": {"gzip"}}, code: 415,
				reason: "UnsupportedEncoding"}),
			Entry("a payload that does not render", refusal{payload: `{"nmae":"x"}`, code: 422, reason: "Invalid",
				fields: []string{valuePath}}),
		)
	})

	It("refuses while the namespace is deleted", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		pin(ctx, createExecution(ctx, namespace, "pinned", ""))
		Expect(kubectl.Run(ctx, "delete", "namespace", namespace, "--wait=false").Err).NotTo(HaveOccurred())
		Eventually(func(g Gomega) {
			answered := put(ctx, namespace+"/echo", "")
			g.Expect(answered.Code).To(BeElementOf(http.StatusConflict, http.StatusNotFound))
			g.Expect(answered.Problem().Reason).To(BeElementOf("NamespaceTerminating", "JobTemplateNotFound"))
		}).WithContext(ctx).Should(Succeed())
	})

	It("logs every request with its id, and no payload unless it is told to", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		put(ctx, namespace+"/echo", "a-secret-payload").Execution()
		answered := put(ctx, namespace+"/no-such", "a-secret-payload")
		Eventually(func() map[string]any { return accessLog(answered.Problem().RequestID) }).WithContext(ctx).
			Should(And(
				HaveKeyWithValue("status", BeEquivalentTo(404)), HaveKeyWithValue("method", "PUT"),
				HaveKeyWithValue("namespace", namespace), HaveKeyWithValue("jobTemplate", "no-such")))
		letTheControllerCatchUp(ctx)
		Expect(manager.Output.String()).NotTo(ContainSubstring("a-secret-payload"))

		restartAfterwards()
		manager.Kill()
		Expect(manager.Start(ctx, "--log-job-execution-payloads")).To(Succeed())
		answered = put(ctx, namespace+"/echo", "a-public-payload")
		Eventually(func() map[string]any { return accessLog(answered.Header.Get("X-Request-Id")) }).WithContext(ctx).
			Should(
				HaveKeyWithValue("payload", "a-public-payload"))
	})

	It("turns a burst of 500 calls by 32 callers into 500 executions and 500 Jobs", func(ctx SpecContext) {
		// Suspended, since the pods of 500 Jobs would only show how fast the Job controller is.
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { job(t).Suspend = new(true) })
		const calls, callers = 500, 32
		var mu sync.Mutex
		accepted := map[string]bool{}
		work := make(chan struct{}, calls)
		for range calls {
			work <- struct{}{}
		}
		close(work)
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				defer GinkgoRecover()
				for range work {
					name := put(ctx, namespace+"/echo", "burst").Execution().Name
					mu.Lock()
					accepted[name] = true
					mu.Unlock()
				}
			})
		}
		group.Wait()
		Expect(accepted).To(HaveLen(calls))
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(calls))
		Eventually(func(g Gomega) {
			for _, execution := range admin.Executions(ctx, namespace) {
				g.Expect(state(&execution)).To(Equal(waiting(dispatcherv1alpha1.ReasonSuspended)))
			}
		}).WithContext(ctx).Should(Succeed())
		for _, created := range admin.Jobs(ctx, namespace) {
			Expect(accepted).To(HaveKey(created.Name))
		}
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(calls))
	})
})

// accessLog returns the line that the manager logged about a request.
func accessLog(requestID string) map[string]any {
	for line := range bytes.Lines([]byte(manager.Output.String())) {
		var values map[string]any
		if json.Unmarshal(line, &values) == nil && values["requestID"] == requestID && values["msg"] == "request" {
			return values
		}
	}
	return nil
}
