package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// FuzzRouter sends any method, path, query, headers and body to the handler, over an API server that has two executions
// and stores everything. Nothing panics and nothing is answered with a server error; every answer has a documented
// status code; every refusal is a problem with a reason of that code, and has changed nothing.
func FuzzRouter(f *testing.F) {
	seedRouter(f)
	options := testOptions()
	options.MaxPayloadBytes = 1000
	options.MaxWait = 5 * time.Millisecond
	document := readDocument(f)
	router := newRouter(groupsOf(testDependencies(nil, testOptions()), options)...)
	f.Fuzz(func(t *testing.T, method, path, query, header string, body []byte) {
		api := newFakeAPIServer(t)
		api.Store(executionOfFuzz("running", metav1.ConditionUnknown))
		api.Store(executionOfFuzz("ended", metav1.ConditionTrue))
		api.OnPods, api.Template = noPods, echo()
		before := strings.Join(slices.Sorted(slices.Values(api.Names())), " ")
		// A stream ends when its caller hangs up.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		request := fuzzed(ctx, method, path, query, header, body)
		response := serve(api.server(t, options), request)
		if response.StatusCode > http.StatusInternalServerError && ctx.Err() != nil {
			// It hung up before it was answered, and before or after what it asked for was done. A 500 is a fault all the same.
			return
		}

		after := strings.Join(slices.Sorted(slices.Values(api.Names())), " ")
		changed := after != before || slices.Contains(api.Methods(), http.MethodPatch)
		if changed &&
			(response.StatusCode >= http.StatusBadRequest || !slices.Contains(unsafeMethods, method)) {
			t.Errorf(
				"%s %q: status %d, but the API server was asked to change something: %v",
				method,
				path,
				response.StatusCode,
				api.Methods(),
			)
		}
		checkFuzzed(t, document, routeOf(router, request), request, response)
	})
}

// unsafeMethods may change something.
var unsafeMethods = []string{http.MethodPut, http.MethodPost, http.MethodDelete}

// checkFuzzed checks that an answer is one of those that are documented for all paths, or for this one.
func checkFuzzed(t *testing.T, document documented, route string, request *http.Request, response *http.Response) {
	status := response.StatusCode
	if status >= http.StatusInternalServerError {
		t.Errorf("%s %q: status %d", request.Method, request.URL, status)
	}
	var why problem.Reason
	if status >= http.StatusBadRequest {
		why = problemOf(t, response).Reason
		if problem.Statuses()[why] != status {
			t.Errorf("%s %q: status %d with the reason %s", request.Method, request.URL, status, why)
		}
	}
	everywhere := why == problem.NotFound || why == problem.MethodNotAllowed ||
		request.Method == http.MethodOptions && status == http.StatusNoContent
	if !everywhere && !document.has(route, request.Method, status) {
		t.Errorf("%s %q: status %d of the route %q is not documented", request.Method, request.URL, status, route)
	}
}

// routeOf returns the path that a request takes, as it was registered.
func routeOf(router *mux.Router, request *http.Request) string {
	var match mux.RouteMatch
	if !router.Match(request, &match) || match.Route == nil {
		return ""
	}
	path, _ := match.Route.GetPathTemplate()
	return path
}

// seedRouter adds a request of every kind, and what is known to be odd.
func seedRouter(f *testing.F) {
	for _, path := range []string{
		"/execute/t", "/execute/a/t", "/execute/a/t/", "/execute//t", "/execute/a%2Fb", "/execute/../t", "/", "", "*",
		"/execute/%00", "/execute/" + strings.Repeat("a", 100), "//host/execute/t", "/execute/%zz", "/execute/é",
	} {
		f.Add(http.MethodPut, path, "", "", []byte("payload"))
	}
	for _, path := range []string{
		"/executions/a", "/executions/b", "/executions/a/running", "/executions/a/ended", "/executions/a/none",
		"/executions/a/running/events",
		"/executions/a/ended/events", "/executions/a/running/cancel", "/executions/a/ended/cancel",
		"/executions/a/running/logs",
		"/templates/a", "/templates/a/t", "/openapi.yaml",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS"} {
			f.Add(method, path, "", "", []byte{})
		}
		f.Add("GET", path, "wait=1&limit=-1&continue=x&follow=true&tailLines=x", "", []byte{})
		f.Add("GET", path, "", "Accept: text/event-stream\nIf-None-Match: W/\"a\"\nLast-Event-ID: 1", []byte{})
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "CONNECT", "BREW", "put"} {
		f.Add(method, "/execute/t", "", "", []byte{})
	}
	f.Add("PUT", "/execute/t", "dryRun=All&%zz", "", []byte("\xff"))
	f.Add("PUT", "/execute/t", "dryRun=All", "Accept: application/yaml", []byte("payload"))
	f.Add("POST", "/execute/t", "", "", bytes.Repeat([]byte("a"), 2000))
	f.Add("PUT", "/execute/t", "", "Idempotency-Key: \"a\\\"\nPrefer: wait=1;x=\",\", wait=2", []byte("payload"))
	f.Add(
		"PUT",
		"/execute/t",
		"",
		"Content-Encoding: gzip\nContent-Range: bytes 0-1/2\nX-Request-Id: \x00",
		[]byte("payload"),
	)
	f.Add(
		"GET",
		"/executions/a",
		"state=running&template=t&limit=1",
		"Accept: application/yaml;q=x, */*;q=0.1",
		[]byte("body"),
	)
}

// fuzzed makes a request as net/http would hand it over, of headers in lines.
func fuzzed(ctx context.Context, method, path, query, header string, body []byte) *http.Request {
	request := httptest.NewRequestWithContext(ctx, http.MethodPut, "/", bytes.NewReader(body))
	request.Method = method
	request.URL = &url.URL{Path: path, RawQuery: query}
	if parsed, err := url.ParseRequestURI(path); err == nil {
		request.URL = &url.URL{Path: parsed.Path, RawPath: parsed.RawPath, RawQuery: query}
	}
	for line := range strings.SplitSeq(header, "\n") {
		name, value, _ := strings.Cut(line, ":")
		request.Header.Add(name, strings.TrimSpace(value))
	}
	return request
}

// executionOfFuzz is one in the namespace a whose Succeeded condition has this status.
func executionOfFuzz(name string, status metav1.ConditionStatus) *dispatcherv1alpha1.JobExecution {
	return &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name},
		Spec:       dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: "t"},
		Status: dispatcherv1alpha1.JobExecutionStatus{
			Conditions: []metav1.Condition{{Type: dispatcherv1alpha1.ConditionSucceeded, Status: status}},
		},
	}
}

// noPods answers for a cluster without pods.
func noPods(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") == "" {
		apitest.AnswerJSON(w, http.StatusOK, corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// has tells whether a status code is documented for a method of a route. HEAD is documented as GET.
func (d documented) has(route, method string, status int) bool {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	operation, _ := d.Paths[route][strings.ToLower(method)].(map[string]any)
	responses, _ := operation["responses"].(map[string]any)
	return responses[strconv.Itoa(status)] != nil
}
