package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

func TestTroubleOfCalls(t *testing.T) {
	for _, test := range []struct {
		reason, path   string
		answer         *apierrors.StatusError
		want           problem.Body
		wantRetryAfter string
	}{
		{"no execution", "/executions/default/n", apierrors.NewNotFound(apitest.ExecutionsResource, "n"),
			refusal(problem.ExecutionNotFound), ""},
		{"no template", "/templates/default/t", apierrors.NewNotFound(apitest.ExecutionsResource, "t"),
			refusal(problem.JobTemplateNotFound), ""},
		{"the list expired", "/executions/default?continue=x", apierrors.NewResourceExpired("too old"),
			refusal(problem.Expired), ""},
		{"a token that is none", "/executions/default?continue=x", apierrors.NewBadRequest("continue key is not valid"),
			refusal(problem.InvalidRequest, "continue"), ""},
		{"our own rights are too few", "/executions/default", apierrors.NewForbidden(apitest.ExecutionsResource, "", io.EOF),
			refusal(problem.Forbidden), ""},
		{"busy", "/executions/default/n", apierrors.NewTooManyRequests("later", 7),
			refusal(problem.TooManyRequests), "7"},
		{"away", "/templates/default", apierrors.NewServiceUnavailable("shutting down"),
			refusal(problem.Unavailable), "5"},
		{"slow", "/executions/default", apierrors.NewTimeoutError("gave up", 0), refusal(problem.Timeout), ""},
	} {
		api := newFakeAPIServer(t)
		api.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
			apitest.AnswerError(w, test.answer)
			return true
		}
		response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodGet, test.path, nil))
		if diff := cmp.Diff(test.want, essence(problemOf(t, response))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
		if got := response.Header.Get("Retry-After"); got != test.wantRetryAfter || len(api.Methods()) != 1 {
			t.Errorf(
				"%s: Retry-After = %q, want %q; %d requests, want 1",
				test.reason,
				got,
				test.wantRetryAfter,
				len(api.Methods()),
			)
		}
	}
}

// Every row is refused before the API server hears of it.
func TestRefusedCalls(t *testing.T) {
	for _, test := range []struct {
		reason       string
		method, path string
		accept       string
		want         problem.Body
	}{
		{reason: "a namespace that is none", path: "/executions/A/n", want: refusal(problem.InvalidRequest, "namespace")},
		{reason: "a name that is none", path: "/executions/a/N", want: refusal(problem.InvalidRequest, "name")},
		{reason: "a name is at most 63 long", path: "/executions/a/" + strings.Repeat("n", 64),
			want: refusal(problem.InvalidRequest, "name")},
		{reason: "an encoded slash is no other path", path: "/executions/a/n%2Fcancel",
			want: refusal(problem.InvalidRequest, "name")},
		{reason: "nor an encoded traversal", path: "/executions/a/%2e%2e", want: refusal(problem.InvalidRequest, "name")},
		{reason: "a namespace of a list", path: "/executions/..", want: refusal(problem.InvalidRequest, "namespace")},
		{reason: "and of templates", path: "/templates/A", want: refusal(problem.InvalidRequest, "namespace")},
		{reason: "a template that is none", path: "/templates/a/_", want: refusal(problem.InvalidRequest, "template")},

		{reason: "a parameter of nothing", method: http.MethodDelete, path: "/executions/a/n?force=true",
			want: refusal(problem.InvalidRequest, "force")},
		{reason: "a selector is no parameter", path: "/executions/a?labelSelector=a", want: refusal(problem.InvalidRequest,
			"labelSelector")},
		{reason: "templates have no state", path: "/templates/a?state=running", want: refusal(problem.InvalidRequest,
			"state")},
		{reason: "given twice", path: "/executions/a?limit=1&limit=2", want: refusal(problem.InvalidRequest, "limit")},
		{reason: "a query that is none", path: "/templates/a/t?a=%zz", want: refusal(problem.InvalidRequest)},
		{reason: "a limit of none", path: "/executions/a?limit=0", want: refusal(problem.InvalidRequest, "limit")},
		{reason: "too high a limit", path: "/executions/a?limit=501", want: refusal(problem.InvalidRequest, "limit")},
		{reason: "a limit that is no number", path: "/templates/a?limit=all", want: refusal(problem.InvalidRequest, "limit")},
		{reason: "an unknown state", path: "/executions/a?state=Running", want: refusal(problem.InvalidRequest, "state")},
		{reason: "a selector in disguise", path: "/executions/a?template=t,a=b", want: refusal(problem.InvalidRequest,
			"template")},

		{reason: "a form that it has not", path: "/executions/a/n", accept: "text/html",
			want: refusal(problem.NotAcceptable)},
		{reason: "events are events", path: "/executions/a/n/events", accept: "application/json",
			want: refusal(problem.NotAcceptable)},
		{reason: "before anything is done", method: http.MethodDelete, path: "/executions/a/n", accept: "text/html",
			want: refusal(problem.NotAcceptable)},
		{reason: "no time", path: "/executions/a/n?wait=-1", want: refusal(problem.InvalidRequest, "wait")},
		{reason: "a time with a unit", path: "/executions/a/n?wait=5s", want: refusal(problem.InvalidRequest, "wait")},
		{reason: "an empty time", path: "/executions/a/n?wait=", want: refusal(problem.InvalidRequest, "wait")},
		{reason: "events do not wait", path: "/executions/a/n?wait=5", accept: "text/event-stream",
			want: refusal(problem.InvalidRequest, "wait")},

		{reason: "reading does not cancel", path: "/executions/a/n/cancel", want: refusal(problem.MethodNotAllowed)},
		{reason: "events are read", method: http.MethodPost, path: "/executions/a/n/events",
			want: refusal(problem.MethodNotAllowed)},
		{reason: "nothing is put", method: http.MethodPut, path: "/executions/a/n", want: refusal(problem.MethodNotAllowed)},
		{reason: "nor created here", method: http.MethodPost, path: "/executions/a", want: refusal(problem.MethodNotAllowed)},
		{reason: "nor are templates deleted", method: http.MethodDelete, path: "/templates/a/t",
			want: refusal(problem.MethodNotAllowed)},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if test.method == "" {
				test.method = http.MethodGet
			}
			request := httptest.NewRequest(test.method, test.path, nil)
			if test.accept != "" {
				request.Header.Set("Accept", test.accept)
			}
			api := newFakeAPIServer(t)
			response := serve(api.server(t, testOptions()), request)
			if diff := cmp.Diff(test.want, essence(problemOf(t, response))); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			if calls := api.Methods(); len(calls) > 0 {
				t.Errorf("the API server was called: %v", calls)
			}
		})
	}
}
