package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// put stores an execution of template t in namespace default.
func (f *fakeAPIServer) put(name string, change ...func(*dispatcherv1alpha1.JobExecution)) *dispatcherv1alpha1.JobExecution {
	execution := &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: "t", Payload: "p"},
	}
	f.store(execution)
	for _, c := range change {
		c(execution)
	}
	return execution
}

// summary sets the Succeeded condition.
func summary(status metav1.ConditionStatus, reason string) func(*dispatcherv1alpha1.JobExecution) {
	return func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status.Conditions = []metav1.Condition{{Type: dispatcherv1alpha1.ConditionSucceeded, Status: status, Reason: reason}}
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
		if response.StatusCode != http.StatusOK || header.Get("Content-Type") != form || header.Get("Vary") != "Accept" || header.Get("Cache-Control") != "no-cache" {
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
		if response.StatusCode != http.StatusNotModified || response.Header.Get("ETag") != header.Get("ETag") || response.ContentLength > 0 {
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
		if head.StatusCode != http.StatusOK || head.ContentLength != int64(len(body)) || head.Header.Get("ETag") != get.Header.Get("ETag") {
			t.Errorf("%s: status %d, %d bytes, tag %q; GET has %d and %q", path, head.StatusCode, head.ContentLength, head.Header.Get("ETag"), len(body), get.Header.Get("ETag"))
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
		{"a finalizer holds it", func(e *dispatcherv1alpha1.JobExecution) { e.Finalizers = []string{"example.com/pin"} }, http.StatusAccepted, 1},
	} {
		api := newFakeAPIServer(t)
		api.put("n", test.change)
		response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodDelete, "/executions/default/n", nil))
		var got dispatcherv1alpha1.JobExecution
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != test.wantStatus || got.Name != "n" || got.Kind != "JobExecution" || got.ManagedFields != nil {
			t.Errorf("%s: status = %d, got %+v", test.reason, response.StatusCode, got)
		}
		if got.DeletionTimestamp.IsZero() != (test.wantStored == 0) || len(api.names()) != test.wantStored {
			t.Errorf("%s: deleted at %v, stored %v", test.reason, got.DeletionTimestamp, api.names())
		}
	}
}

// Another execution may take the name between the look-up, on which the right to delete hangs, and the deletion.
func TestDeleteSparesAnother(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n")
	api.onGet = func(w http.ResponseWriter, _ *http.Request) bool {
		answerJSON(w, http.StatusOK, dispatcherv1alpha1.JobExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "n", UID: "before"}})
		return true
	}
	response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodDelete, "/executions/default/n", nil))
	if got := problemOf(t, response); got.Reason != reasonExecutionNotFound || len(api.names()) != 1 {
		t.Errorf("got %+v, stored %v", got, api.names())
	}
}

// denies refuses every right and remembers which it was asked for.
type denies struct{ asked []right }

func (d *denies) authorize(_ *http.Request, need right) error {
	d.asked = append(d.asked, need)
	return refuse(reasonForbidden, "no")
}

func (d *denies) authorizeAbsent(r *http.Request, need right) error { return d.authorize(r, need) }

func TestRightsOfCalls(t *testing.T) {
	for _, test := range []struct {
		method, path string
		want         right
	}{
		{http.MethodGet, "/executions/default/n", right{"get", "executions", "default", "t"}},
		{http.MethodGet, "/executions/default/none", right{"get", "executions", "default", ""}},
		{http.MethodDelete, "/executions/default/n", right{"delete", "executions", "default", "t"}},
		{http.MethodDelete, "/executions/default/none", right{"delete", "executions", "default", ""}},
		{http.MethodGet, "/executions/default/n?wait=1", right{"get", "executions", "default", "t"}},
		{http.MethodGet, "/executions/default/n/events", right{"get", "executions", "default", "t"}},
		{http.MethodPost, "/executions/default/n/cancel", right{"delete", "executions", "default", "t"}},
		{http.MethodPost, "/executions/default/none/cancel", right{"delete", "executions", "default", ""}},
		{http.MethodGet, "/executions/default", right{"list", "executions", "default", ""}},
		{http.MethodGet, "/executions/default?template=t", right{"list", "executions", "default", "t"}},
		{http.MethodGet, "/templates/default", right{"list", "", "default", ""}},
		{http.MethodGet, "/templates/default/t", right{"get", "", "default", "t"}},
	} {
		api, access := newFakeAPIServer(t), &denies{}
		api.put("n")
		d := testDependencies(api.client(t))
		d.access = access
		response := serve(newServer(d, testOptions(), logr.Discard()), httptest.NewRequest(test.method, test.path, nil))
		if got := problemOf(t, response); got.Reason != reasonForbidden || len(api.names()) != 1 {
			t.Errorf("%s %s: got %+v, stored %v", test.method, test.path, got, api.names())
		}
		if diff := cmp.Diff([]right{test.want}, access.asked, cmp.AllowUnexported(right{})); diff != "" {
			t.Errorf("%s %s: rights (-want +got):\n%s", test.method, test.path, diff)
		}
	}
}

func TestTroubleOfCalls(t *testing.T) {
	for _, test := range []struct {
		reason, path   string
		answer         *apierrors.StatusError
		want           problem
		wantRetryAfter string
	}{
		{"no execution", "/executions/default/n", apierrors.NewNotFound(executionsResource, "n"),
			problem{Status: 404, Reason: reasonExecutionNotFound, Detail: `there is no execution "n" in namespace "default"`}, ""},
		{"no template", "/templates/default/t", apierrors.NewNotFound(executionsResource, "t"),
			problem{Status: 404, Reason: reasonJobTemplateNotFound, Detail: `there is no JobTemplate "t" in namespace "default"`}, ""},
		{"the list expired", "/executions/default?continue=x", apierrors.NewResourceExpired("too old"),
			problem{Status: 410, Reason: reasonExpired, Detail: "the list that the parameter continue is from has expired: list again without it"}, ""},
		{"a token that is none", "/executions/default?continue=x", apierrors.NewBadRequest("continue key is not valid"),
			problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter continue cannot be used",
				Errors: []fieldError{{"continue", "must be what the page before says in metadata.continue"}}}, ""},
		{"our own rights are too few", "/executions/default", apierrors.NewForbidden(executionsResource, "", io.EOF),
			problem{Status: 403, Reason: reasonForbidden, Detail: `Dispatcher is not allowed to do this in namespace "default"`}, ""},
		{"busy", "/executions/default/n", apierrors.NewTooManyRequests("later", 7),
			problem{Status: 429, Reason: reasonTooManyRequests, Detail: busy}, "7"},
		{"away", "/templates/default", apierrors.NewServiceUnavailable("shutting down"),
			problem{Status: 503, Reason: reasonUnavailable, Detail: away}, "5"},
		{"slow", "/executions/default", apierrors.NewTimeoutError("gave up", 0), problem{Status: 504, Reason: reasonTimeout, Detail: slow}, ""},
	} {
		api := newFakeAPIServer(t)
		api.onGet = func(w http.ResponseWriter, _ *http.Request) bool {
			answerError(w, test.answer)
			return true
		}
		response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodGet, test.path, nil))
		got := problemOf(t, response)
		test.want.Type, test.want.Title, test.want.RequestID = got.Type, got.Title, got.RequestID
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
		if got := response.Header.Get("Retry-After"); got != test.wantRetryAfter || len(api.methods()) != 1 {
			t.Errorf("%s: Retry-After = %q, want %q; %d requests, want 1", test.reason, got, test.wantRetryAfter, len(api.methods()))
		}
	}
}

// Every row is refused before the API server hears of it.
func TestRefusedCalls(t *testing.T) {
	noQuery := "this call takes no query parameters"
	for _, test := range []struct {
		reason             string
		method, path, body string
		accept             string
		want               problem
	}{
		{reason: "a namespace that is none", path: "/executions/A/n", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the path names no possible JobExecution", Errors: []fieldError{{"namespace", labelRule}}}},
		{reason: "a name that is none", path: "/executions/a/N", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the path names no possible JobExecution", Errors: []fieldError{{"name", subdomainRule}}}},
		{reason: "a name is at most 63 long", path: "/executions/a/" + strings.Repeat("n", 64), want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the path names no possible JobExecution", Errors: []fieldError{{"name", "must be no more than 63 characters"}}}},
		{reason: "an encoded slash is no other path", path: "/executions/a/n%2Fcancel", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the path names no possible JobExecution", Errors: []fieldError{{"name", subdomainRule}}}},
		{reason: "nor an encoded traversal", path: "/executions/a/%2e%2e", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the path names no possible JobExecution", Errors: []fieldError{{"name", subdomainRule}}}},
		{reason: "a namespace of a list", path: "/executions/..", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the path names no possible namespace", Errors: []fieldError{{"namespace", labelRule}}}},
		{reason: "and of templates", path: "/templates/A", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the path names no possible namespace", Errors: []fieldError{{"namespace", labelRule}}}},
		{reason: "a template that is none", path: "/templates/a/_", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the path names no possible JobTemplate", Errors: []fieldError{{"template", subdomainRule}}}},

		{reason: "a parameter of nothing", method: http.MethodDelete, path: "/executions/a/n?force=true", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: noQuery, Errors: []fieldError{{"force", "unknown query parameter"}}}},
		{reason: "a selector is no parameter", path: "/executions/a?labelSelector=a", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "this call takes the query parameters continue, limit, state, template", Errors: []fieldError{{"labelSelector", "unknown query parameter"}}}},
		{reason: "templates have no state", path: "/templates/a?state=running", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "this call takes the query parameters continue, limit", Errors: []fieldError{{"state", "unknown query parameter"}}}},
		{reason: "given twice", path: "/executions/a?limit=1&limit=2", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "this call takes the query parameters continue, limit, state, template", Errors: []fieldError{{"limit", "must be given once"}}}},
		{reason: "a query that is none", path: "/templates/a/t?a=%zz", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query cannot be read: percent-encode what is no letter, digit, '-', '.', '_' or '~'"}},
		{reason: "a limit of none", path: "/executions/a?limit=0", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter limit cannot be used", Errors: []fieldError{{"limit", "must be a number from 1 to 500"}}}},
		{reason: "too high a limit", path: "/executions/a?limit=501", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter limit cannot be used", Errors: []fieldError{{"limit", "must be a number from 1 to 500"}}}},
		{reason: "a limit that is no number", path: "/templates/a?limit=all", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter limit cannot be used", Errors: []fieldError{{"limit", "must be a number from 1 to 500"}}}},
		{reason: "an unknown state", path: "/executions/a?state=Running", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter state cannot be used", Errors: []fieldError{{"state", "must be one of waiting, running, succeeded, failed"}}}},
		{reason: "a selector in disguise", path: "/executions/a?template=t,a=b", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter template cannot be used", Errors: []fieldError{{"template", subdomainRule}}}},

		{reason: "a form that it has not", path: "/executions/a/n", accept: "text/html", want: problem{Status: 406, Reason: reasonNotAcceptable, Detail: "the Accept header admits none of the forms in which this answer can be had: application/json, application/yaml, text/event-stream"}},
		{reason: "events are events", path: "/executions/a/n/events", accept: "application/json", want: problem{Status: 406, Reason: reasonNotAcceptable, Detail: "the Accept header admits none of the forms in which this answer can be had: text/event-stream"}},
		{reason: "before anything is done", method: http.MethodDelete, path: "/executions/a/n", accept: "text/html", want: problem{Status: 406, Reason: reasonNotAcceptable, Detail: "the Accept header admits none of the forms in which this answer can be had: application/json, application/yaml"}},
		{reason: "a body is not read", method: http.MethodDelete, path: "/executions/a/n", body: `{"propagationPolicy":"Orphan"}`, want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "this call takes no body"}},

		{reason: "nor is it where an execution is canceled", method: http.MethodPost, path: "/executions/a/n/cancel", body: "{}", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "this call takes no body"}},

		{reason: "no time", path: "/executions/a/n?wait=-1", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter wait cannot be used", Errors: []fieldError{{"wait", "must be a number of seconds, 0 or more"}}}},
		{reason: "a time with a unit", path: "/executions/a/n?wait=5s", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter wait cannot be used", Errors: []fieldError{{"wait", "must be a number of seconds, 0 or more"}}}},
		{reason: "an empty time", path: "/executions/a/n?wait=", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the query parameter wait cannot be used", Errors: []fieldError{{"wait", "must be a number of seconds, 0 or more"}}}},
		{reason: "events do not wait", path: "/executions/a/n?wait=5", accept: "text/event-stream", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: noQuery, Errors: []fieldError{{"wait", "unknown query parameter"}}}},

		{reason: "reading does not cancel", path: "/executions/a/n/cancel", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes POST, OPTIONS"}},
		{reason: "events are read", method: http.MethodPost, path: "/executions/a/n/events", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes GET, HEAD, OPTIONS"}},
		{reason: "nothing is put", method: http.MethodPut, path: "/executions/a/n", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes DELETE, GET, HEAD, OPTIONS"}},
		{reason: "nor created here", method: http.MethodPost, path: "/executions/a", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes GET, HEAD, OPTIONS"}},
		{reason: "nor are templates deleted", method: http.MethodDelete, path: "/templates/a/t", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes GET, HEAD, OPTIONS"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if test.method == "" {
				test.method = http.MethodGet
			}
			request := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			if test.accept != "" {
				request.Header.Set("Accept", test.accept)
			}
			api := newFakeAPIServer(t)
			response := serve(api.server(t, testOptions()), request)
			got := problemOf(t, response)
			test.want.Type, test.want.Title, test.want.RequestID = got.Type, got.Title, got.RequestID
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			if calls := api.methods(); len(calls) > 0 {
				t.Errorf("the API server was called: %v", calls)
			}
		})
	}
}
