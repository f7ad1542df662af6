package integration

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("The metadata of a template", Label("walls"), func() {
	var namespace string
	var author, developer client.Client

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		templates := may("jobtemplates", []string{"*"})
		createsJobs := rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"},
			Verbs: []string{"create"}}
		author = newUser(ctx, namespace, "author", templates)
		developer = newUser(ctx, namespace, "developer", templates, createsJobs)
	})

	// patch changes the metadata of the template called echo, by a merge patch.
	patch := func(ctx context.Context, by client.Client, metadata string) error {
		template := &dispatcherv1alpha1.JobTemplate{}
		template.Namespace, template.Name = namespace, "echo"
		return by.Patch(ctx, template, client.RawPatch("application/merge-patch+json",
			[]byte(`{"metadata":`+metadata+`}`)))
	}

	DescribeTable("is part of what runs where its strings use it: who may not create Jobs may not change it",
		func(ctx SpecContext, image string) {
			createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
				t.Annotations, t.Labels = map[string]string{"image": "alpine:1"}, map[string]string{"image": "alpine"}
				container(t).Image = image
			})
			for _, metadata := range []string{
				`{"annotations":{"image":"evil:1"},"labels":{"image":"evil"}}`,
				`{"annotations":{"image":"evil:1"},"labels":{"image":"evil"},"finalizers":["example.com/x"]}`,
			} {
				err := patch(ctx, author, metadata)
				Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", metadata, err)
			}
			stored := &dispatcherv1alpha1.JobTemplate{}
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "echo"}, stored)).To(Succeed())
			Expect(stored.Annotations).To(HaveKeyWithValue("image", "alpine:1"))
			Expect(stored.Labels).To(HaveKeyWithValue("image", "alpine"))

			By("letting the author do what changes no Job, and the developer the rest")
			Expect(patch(ctx, author, `{"finalizers":["example.com/x"]}`)).To(Succeed())
			Expect(patch(ctx, author, `{"finalizers":null}`)).To(Succeed())
			Expect(patch(ctx, developer, `{"annotations":{"image":"alpine:2"},"labels":{"image":"busybox"}}`)).
				To(Succeed())
			err := patch(ctx, developer, `{"annotations":{"image":""},"labels":{"image":""}}`)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "it is tried, too: %v", err)
		},
		Entry("an annotation", `{{ .JobTemplate.Annotations.image }}`),
		Entry("a label", `{{ .JobTemplate.Labels.image }}`),
		Entry("by index", `{{ index .JobTemplate.Annotations "image" }}`),
		Entry("by a function", `{{ get .JobTemplate.Annotations "image" }}`),
		Entry("by a variable", `{{ $t := .JobTemplate }}{{ $t.Annotations.image }}`),
		Entry("by the variable of all", `{{ $.JobTemplate.Labels.image }}`),
		Entry("by with", `{{ with .JobTemplate }}{{ .Annotations.image }}{{ end }}`),
		Entry("by range", `{{ range $k, $v := .JobTemplate.Labels }}{{ if eq $k "image" }}{{ $v }}{{ end }}{{ end }}`),
		Entry("by another template",
			`{{ define "t" }}{{ .Annotations.image }}{{ end }}{{ template "t" .JobTemplate }}`),
		Entry("by another template, given all",
			`{{ define "t" }}{{ .JobTemplate.Annotations.image }}{{ end }}{{ template "t" . }}`),
		Entry("by a list", `{{ (first (list .JobTemplate)).Labels.image }}`),
	)

	It("is the author's own where no string uses it", func(ctx SpecContext) {
		createTemplate(ctx, namespace, value("{{ .JobTemplate.Name }}"))
		changed := `{"annotations":{"a":"b"},"labels":{"a":"b"},"finalizers":["example.com/x"]}`
		Expect(patch(ctx, author, changed)).To(Succeed())
		Expect(patch(ctx, author, `{"finalizers":null}`)).To(Succeed())
	})
})

var _ = Describe("A preview", Label("walls"), func() {
	It("shows the Job to those who may read the template, and to others the verdict alone", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace, value(marker+"{{ mustFromJson .Payload | toJson }}"),
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.SamplePayload = new("{}") })
		executes := may("jobtemplates/executions", []string{"create", "get", "list"})
		blind := newCaller(ctx, namespace, "blind", executes)
		reader := newCaller(ctx, namespace, "reader", executes, may("jobtemplates", []string{"get"}, "echo"))
		other := newCaller(ctx, namespace, "other", executes, may("jobtemplates", []string{"get"}, "another"))
		preview := func(caller http.Header, payload string) user.Answer {
			GinkgoHelper()
			answered, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace+"/echo?dryRun=All", payload,
				caller)
			Expect(err).NotTo(HaveOccurred())
			return answered
		}
		shown := preview(reader, "{}")
		Expect(shown.Code).To(Equal(http.StatusOK), shown.Body)
		Expect(shown.Body).To(ContainSubstring(marker))
		for _, caller := range []http.Header{blind, other, nil} {
			accepted := preview(caller, "{}")
			Expect(accepted.Code).To(Equal(http.StatusNoContent), accepted.Body)
			Expect(accepted.Body).To(BeEmpty())
			refused := preview(caller, "nonsense")
			real := mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo", "nonsense", caller)
			Expect(refused.Code).To(Equal(http.StatusUnprocessableEntity))
			Expect(refused.Problem().Errors).To(Equal(real.Problem().Errors))
			Expect(refused.Body + real.Body).NotTo(ContainSubstring(marker))
		}
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
	})
})

var _ = Describe("An Idempotency-Key of somebody", Label("walls"), func() {
	It("means nothing when somebody else sends it", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		all := may("jobtemplates/executions", []string{"create", "get"})
		keyed := func(caller http.Header, payload string) user.Answer {
			GinkgoHelper()
			header := caller.Clone()
			if header == nil {
				header = http.Header{}
			}
			header.Set("Idempotency-Key", `"order 17"`)
			return mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo", payload, header)
		}
		first, second := newCaller(ctx, namespace, "first", all), newCaller(ctx, namespace, "second", all)
		own := map[string]string{}
		for who, caller := range map[string]http.Header{"first": first, "second": second, "anonymous": nil} {
			made := keyed(caller, "p").Execution()
			own[made.Name] = who
			Expect(keyed(caller, "p").ExecutionOf(http.StatusOK).UID).To(Equal(made.UID), who)
			Expect(keyed(caller, "other").Problem().Reason).To(Equal("IdempotencyKeyReused"), who)
		}
		Expect(own).To(HaveLen(3))
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(3))
	})

	It("tells one who may not read executions where the first one is, and not what became of it",
		func(ctx SpecContext) {
			namespace := admin.NewNamespace(ctx)
			createTemplate(ctx, namespace)
			creates := newCaller(ctx, namespace, "creates", may("jobtemplates/executions", []string{"create"}))
			creates.Set("Idempotency-Key", "k")
			first := mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo", "p", creates)
			Expect(first.Code).To(Equal(http.StatusCreated), first.Body)
			again := mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo", "p", creates)
			Expect(again.Code).To(Equal(http.StatusOK), again.Body)
			Expect(again.Body).To(BeEmpty())
			Expect(again.Header.Get("Location")).To(Equal(first.Header.Get("Location")))
			Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))
		})
})

var _ = Describe("A caller without a right", Label("walls"), func() {
	It("cannot tell what there is from what there is not", func(ctx SpecContext) {
		namespace, elsewhere := admin.NewNamespace(ctx), admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		createExecution(ctx, namespace, "run", "")
		stranger := newCaller(ctx, elsewhere, "stranger", may("jobtemplates/executions", []string{"*"}))
		paths := func(template, execution string) map[string]string {
			return map[string]string{
				"execute":  http.MethodPut + " /execute/" + template,
				"preview":  http.MethodPut + " /execute/" + template + "?dryRun=All",
				"template": http.MethodGet + " /templates/" + template,
				"read":     http.MethodGet + " /executions/" + execution,
				"wait":     http.MethodGet + " /executions/" + execution + "?wait=1",
				"delete":   http.MethodDelete + " /executions/" + execution,
				"cancel":   http.MethodPost + " /executions/" + execution + "/cancel",
				"events":   http.MethodGet + " /executions/" + execution + "/events",
				"logs":     http.MethodGet + " /executions/" + execution + "/logs",
			}
		}
		// told is all that a caller learns, with the names that it has sent itself taken out.
		told := func(call, template, execution string, header http.Header) string {
			GinkgoHelper()
			method, path, _ := strings.Cut(paths(template, execution)[call], " ")
			answered := mustSend(ctx, method, path, "", header)
			problem := answered.Problem()
			of, name, _ := strings.Cut(template, "/")
			_, run, _ := strings.Cut(execution, "/")
			text := fmt.Sprint(answered.Code, problem.Reason, problem.Title, problem.Detail, problem.Errors,
				answered.Header.Values("WWW-Authenticate"))
			return strings.NewReplacer(of, "NAMESPACE", `"`+name+`"`, "TEMPLATE", `"`+run+`"`,
				"EXECUTION").Replace(text)
		}
		for call := range paths("", "") {
			there := told(call, namespace+"/echo", namespace+"/run", stranger)
			Expect(there).To(HavePrefix("403"), call)
			Expect(told(call, namespace+"/none", namespace+"/gone", stranger)).
				To(Equal(there), "%s: no such name", call)
			Expect(told(call, "no-such/echo", "no-such/run", stranger)).To(Equal(there), "%s: no such namespace", call)
			if call == "execute" || call == "preview" || call == "read" || call == "wait" || call == "events" {
				continue // Without credentials it is allowed here.
			}
			there = told(call, namespace+"/echo", namespace+"/run", nil)
			Expect(there).To(HavePrefix("401"), call)
			Expect(told(call, namespace+"/none", namespace+"/gone", nil)).To(Equal(there), "%s: no such name", call)
			Expect(told(call, "no-such/echo", "no-such/run", nil)).To(Equal(there), "%s: no such namespace", call)
		}
	})
})

// mustSend makes a call to the suite's manager, which has to answer it.
func mustSend(ctx context.Context, method, path, payload string, header http.Header) user.Answer {
	GinkgoHelper()
	answered, err := send(ctx, manager, method, path, payload, header)
	Expect(err).NotTo(HaveOccurred())
	return answered
}
