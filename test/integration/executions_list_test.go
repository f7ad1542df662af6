package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("A list over HTTP", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	page := func(ctx SpecContext, query url.Values) (list dispatcherv1alpha1.JobExecutionList, names []string) {
		GinkgoHelper()
		answered := call(ctx, http.MethodGet, "/executions/"+namespace+"?"+query.Encode(), nil)
		Expect(answered.Code).To(Equal(http.StatusOK), answered.Body)
		Expect(json.Unmarshal([]byte(answered.Body), &list)).To(Succeed())
		Expect(list.Kind).To(Equal("JobExecutionList"))
		for _, item := range list.Items {
			Expect(item.Kind).To(Equal("JobExecution"))
			Expect(item.ManagedFields).To(BeEmpty())
			names = append(names, item.Name)
		}
		return list, names
	}

	It("has the executions of a template and in a state", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Name = "suspended"
			job(t).Suspend = new(true)
		})
		ends := createExecution(ctx, namespace, "ends", "the payload")
		fails := createExecution(ctx, namespace, "fails", "")
		stops := createExecution(ctx, namespace, "stops", "")
		runs := createExecution(ctx, namespace, "runs", "")
		waits := newExecution(namespace, "waits", "")
		waits.Spec.JobTemplateName = "suspended"
		Expect(admin.Create(ctx, waits)).To(Succeed())
		endPods(ctx, ends, corev1.PodSucceeded)
		endPods(ctx, fails, corev1.PodFailed)
		cancel(ctx, stops)
		eventuallyState(ctx, ends, succeeded)
		eventuallyState(ctx, fails, failed("BackoffLimitExceeded"))
		eventuallyState(ctx, stops, failed(dispatcherv1alpha1.ReasonCanceled))
		eventuallyState(ctx, runs, running)
		eventuallyState(ctx, waits, waiting(dispatcherv1alpha1.ReasonSuspended))
		for _, test := range []struct {
			query url.Values
			want  []string
		}{
			{nil, []string{"ends", "fails", "stops", "runs", "waits"}},
			{url.Values{"state": {"succeeded"}}, []string{"ends"}},
			{url.Values{"state": {"failed"}}, []string{"fails", "stops"}},
			{url.Values{"state": {"running"}}, []string{"runs"}},
			{url.Values{"state": {"waiting"}}, []string{"waits"}},
			{url.Values{"template": {"suspended"}}, []string{"waits"}},
			{url.Values{"template": {"echo"}, "state": {"failed"}, "limit": {"2"}}, []string{"fails", "stops"}},
			{url.Values{"template": {"none"}}, nil},
		} {
			_, names := page(ctx, test.query)
			Expect(names).To(ConsistOf(test.want), test.query.Encode())
		}
		list, _ := page(ctx, url.Values{"template": {"echo"}})
		Expect(list.Items).To(ContainElement(HaveField("Spec.Payload", "the payload")))
		for i := 1; i < len(list.Items); i++ {
			Expect(list.Items[i-1].CreationTimestamp.Time).
				NotTo(BeTemporally("<", list.Items[i].CreationTimestamp.Time))
		}
	})

	It("has pages, of which each execution is on one, and goes on as long as there are more", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { job(t).Suspend = new(true) })
		for i := range 7 {
			createExecution(ctx, namespace, fmt.Sprintf("n%d", i), "")
		}
		var all []string
		token := ""
		for range 3 {
			list, names := page(ctx, url.Values{"limit": {"3"}, "continue": {token}})
			all = append(all, names...)
			token = list.Continue
			if len(all) < 7 {
				Expect(names).To(HaveLen(3))
				Expect(token).NotTo(BeEmpty())
			}
		}
		Expect(token).To(BeEmpty())
		Expect(all).To(ConsistOf("n0", "n1", "n2", "n3", "n4", "n5", "n6"))
	})

	It("is empty where there is nothing", func(ctx SpecContext) {
		for _, path := range []string{"/executions/" + namespace, "/templates/" + namespace, "/executions/no-such"} {
			Expect(call(ctx, http.MethodGet, path, nil).Body).To(ContainSubstring(`"items":[]`))
		}
	})

	It("has the templates, which can be read one by one", func(ctx SpecContext) {
		for _, name := range []string{"a", "b", "c"} {
			createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { t.Name = name })
		}
		list := dispatcherv1alpha1.JobTemplateList{}
		answered := call(ctx, http.MethodGet, "/templates/"+namespace+"?limit=2", nil)
		Expect(answered.Code).To(Equal(http.StatusOK), answered.Body)
		Expect(json.Unmarshal([]byte(answered.Body), &list)).To(Succeed())
		Expect(list.Kind).To(Equal("JobTemplateList"))
		Expect(list.Items).To(HaveExactElements(HaveField("Name", "a"), HaveField("Name", "b")))
		rest := dispatcherv1alpha1.JobTemplateList{}
		answered = call(ctx, http.MethodGet, "/templates/"+namespace+"?continue="+url.QueryEscape(list.Continue),
			http.Header{"Accept": {"application/yaml"}})
		Expect(yaml.UnmarshalStrict([]byte(answered.Body), &rest)).To(Succeed(), answered.Body)
		Expect(rest.Items).To(HaveExactElements(HaveField("Name", "c")))
		Expect(rest.Continue).To(BeEmpty())

		found := &dispatcherv1alpha1.JobTemplate{}
		answered = call(ctx, http.MethodGet, "/templates/"+namespace+"/b", nil)
		Expect(answered.Code).To(Equal(http.StatusOK), answered.Body)
		Expect(json.Unmarshal([]byte(answered.Body), found)).To(Succeed())
		Expect(found.Kind).To(Equal("JobTemplate"))
		Expect(found.ManagedFields).To(BeEmpty())
		Expect(found.Spec).To(Equal(newTemplate(namespace).Spec))
	})
})
