package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// put stores an execution of template t in namespace default.
func (f *fakeAPIServer) put(
	name string,
	change ...func(*dispatcherv1alpha1.JobExecution),
) *dispatcherv1alpha1.JobExecution {
	execution := &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: "t", Payload: "p"},
	}
	f.Store(execution)
	for _, c := range change {
		c(execution)
	}
	return execution
}

// summary sets the Succeeded condition.
func summary(status metav1.ConditionStatus, reason string) func(*dispatcherv1alpha1.JobExecution) {
	return func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status.Conditions = []metav1.Condition{
			{Type: dispatcherv1alpha1.ConditionSucceeded, Status: status, Reason: reason},
		}
	}
}

func TestGet(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n")
	for form, decode := range map[string]func([]byte, any) error{
		"application/json": json.Unmarshal,
		"application/yaml": func(body []byte, into any) error { return yaml.UnmarshalStrict(body, into) },
	} {
		request := httptest.NewRequest(http.MethodGet, "/executions/default/n", nil)
		request.Header.Set("Accept", form)
		response := serve(api.server(t, testOptions()), request)
		body, _ := io.ReadAll(response.Body)
		header := response.Header
		if response.StatusCode != http.StatusOK || header.Get("Content-Type") != form || header.Get("Vary") != "Accept" ||
			header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status = %d, header %v", form, response.StatusCode, header)
		}
		var got dispatcherv1alpha1.JobExecution
		if err := decode(body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Kind != "JobExecution" || got.Name != "n" || got.Spec.Payload != "p" || got.ManagedFields != nil {
			t.Errorf("%s: got %+v", form, got)
		}

		request.Header.Set("If-None-Match", header.Get("ETag"))
		response = serve(api.server(t, testOptions()), request)
		if response.StatusCode != http.StatusNotModified || response.Header.Get("ETag") != header.Get("ETag") ||
			response.ContentLength > 0 {
			t.Errorf("%s: the same again: status = %d, header %v", form, response.StatusCode, response.Header)
		}
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n")
	r := start(t, api.server(t, testOptions()))
	for _, path := range []string{"/executions/default/n", "/executions/default"} {
		get, err := http.Get("http://" + r.address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(get.Body)
		get.Body.Close()
		head, err := http.Head("http://" + r.address + path)
		if err != nil {
			t.Fatal(err)
		}
		head.Body.Close()
		if head.StatusCode != http.StatusOK || head.ContentLength != int64(len(body)) ||
			head.Header.Get("ETag") != get.Header.Get("ETag") {
			t.Errorf(
				"%s: status %d, %d bytes, tag %q; GET has %d and %q",
				path,
				head.StatusCode,
				head.ContentLength,
				head.Header.Get("ETag"),
				len(body),
				get.Header.Get("ETag"),
			)
		}
	}
}

func TestDelete(t *testing.T) {
	for _, test := range []struct {
		reason     string
		change     func(*dispatcherv1alpha1.JobExecution)
		wantStatus int
		wantStored int
	}{
		{"it goes", func(*dispatcherv1alpha1.JobExecution) {}, http.StatusOK, 0},
		{"a finalizer holds it", func(e *dispatcherv1alpha1.JobExecution) { e.Finalizers = []string{"example.com/pin"} },
			http.StatusAccepted, 1},
	} {
		api := newFakeAPIServer(t)
		api.put("n", test.change)
		response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodDelete, "/executions/default/n", nil))
		var got dispatcherv1alpha1.JobExecution
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != test.wantStatus || got.Name != "n" || got.Kind != "JobExecution" ||
			got.ManagedFields != nil {
			t.Errorf("%s: status = %d, got %+v", test.reason, response.StatusCode, got)
		}
		if got.DeletionTimestamp.IsZero() != (test.wantStored == 0) || len(api.Names()) != test.wantStored {
			t.Errorf("%s: deleted at %v, stored %v", test.reason, got.DeletionTimestamp, api.Names())
		}
	}
}

// Another execution may take the name between the look-up, on which the right to delete hangs, and the deletion.
func TestDeleteSparesAnother(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n")
	api.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
		apitest.AnswerJSON(
			w,
			http.StatusOK,
			dispatcherv1alpha1.JobExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "n", UID: "before"}},
		)
		return true
	}
	response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodDelete, "/executions/default/n", nil))
	if got := problemOf(t, response); got.Reason != problem.ExecutionNotFound || len(api.Names()) != 1 {
		t.Errorf("got %+v, stored %v", got, api.Names())
	}
}

// asked refuses anonymous callers every right, and remembers which were asked for.
func asked(rights *[]access.Right) *access.Access {
	return accessOf(
		authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			*rights = append(*rights, rightOf(a))
			return authorizer.DecisionNoOpinion, "", nil
		}),
	)
}

// right is one in the namespace default.
func right(verb, subresource, template string) access.Right {
	return access.Right{Verb: verb, Subresource: subresource, Namespace: "default", Template: template}
}

func TestRightsOfCalls(t *testing.T) {
	for _, test := range []struct {
		method, path string
		want         access.Right
	}{
		{http.MethodGet, "/executions/default/n", right("get", "executions", "t")},
		{http.MethodGet, "/executions/default/none", right("get", "executions", "")},
		{http.MethodDelete, "/executions/default/n", right("delete", "executions", "t")},
		{http.MethodDelete, "/executions/default/none", right("delete", "executions", "")},
		{http.MethodGet, "/executions/default/n?wait=1", right("get", "executions", "t")},
		{http.MethodGet, "/executions/default/n/events", right("get", "executions", "t")},
		{http.MethodPost, "/executions/default/n/cancel", right("delete", "executions", "t")},
		{http.MethodPost, "/executions/default/none/cancel", right("delete", "executions", "")},
		{http.MethodGet, "/executions/default", right("list", "executions", "")},
		{http.MethodGet, "/executions/default?template=t", right("list", "executions", "t")},
		{http.MethodGet, "/templates/default", right("list", "", "")},
		{http.MethodGet, "/templates/default/t", right("get", "", "t")},
	} {
		api := newFakeAPIServer(t)
		api.put("n")
		d := testDependencies(api.client(t), testOptions())
		var got []access.Right
		d.access = asked(&got)
		response := serve(newServer(d, testOptions(), logr.Discard()), httptest.NewRequest(test.method, test.path, nil))
		if refused := problemOf(t, response); refused.Reason != problem.Unauthorized || len(api.Names()) != 1 {
			t.Errorf("%s %s: got %+v, stored %v", test.method, test.path, refused, api.Names())
		}
		if diff := cmp.Diff([]access.Right{test.want}, got); diff != "" {
			t.Errorf("%s %s: rights (-want +got):\n%s", test.method, test.path, diff)
		}
	}
}
