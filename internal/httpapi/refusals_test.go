package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// essence is what tests check of a problem: the status, the reason, and which fields are wrong. Sentences may change.
func essence(p problem.Body) problem.Body {
	kept := problem.Body{Status: p.Status, Reason: p.Reason}
	for _, field := range p.Errors {
		kept.Errors = append(kept.Errors, problem.Field{Field: field.Field})
	}
	return kept
}

// refusal is the essence of a problem. Which status a reason has is held by openapi.yaml and the docs.
func refusal(reason problem.Reason, fields ...string) problem.Body {
	p := problem.Body{Status: problem.Statuses()[reason], Reason: reason}
	for _, field := range fields {
		p.Errors = append(p.Errors, problem.Field{Field: field})
	}
	return p
}

// Every row is refused before the API server hears of it.
func TestRefusedRequests(t *testing.T) {
	for _, test := range []struct {
		reason       string
		method, path string
		headers      map[string]string
		body         io.Reader
		want         problem.Body
		wantHeaders  map[string]string
	}{
		{reason: "upper case", path: "/execute/Team/t", want: refusal(problem.InvalidRequest, "namespace")},
		{reason: "a namespace has no dots", path: "/execute/a.b/t",
			want: refusal(problem.InvalidRequest, "namespace")},
		{reason: "a namespace is at most 63 long", path: "/execute/" + strings.Repeat("a", 64) + "/t",
			want: refusal(problem.InvalidRequest, "namespace")},
		{reason: "a template is at most 63 long", path: "/execute/a/" + strings.Repeat("t", 64),
			want: refusal(problem.InvalidRequest, "template")},
		{reason: "both at once", path: "/execute/A/_", want: refusal(problem.InvalidRequest, "namespace", "template")},
		{reason: "an encoded slash is no other path", path: "/execute/a%2Fb", want: refusal(problem.InvalidRequest,
			"template")},
		{reason: "nor is an encoded traversal", path: "/execute/a/%2e%2e%2fexecutions",
			want: refusal(problem.InvalidRequest, "template")},
		{reason: "dots are not resolved", path: "/execute/../t", want: refusal(problem.InvalidRequest, "namespace")},
		{reason: "not even one", path: "/execute/.", want: refusal(problem.InvalidRequest, "template")},
		{reason: "NUL in a name", path: "/execute/a%00", want: refusal(problem.InvalidRequest, "template")},
		{reason: "a line break in a name", path: "/execute/a%0Ab", want: refusal(problem.InvalidRequest, "template")},
		{reason: "a space in a name", path: "/execute/a%20", want: refusal(problem.InvalidRequest, "template")},
		{reason: "encoding twice", path: "/execute/a%2562", want: refusal(problem.InvalidRequest, "template")},
		{reason: "a preview must not run", path: "/execute/t?dryRun=All&a=b",
			want: refusal(problem.InvalidRequest, "a")},

		{reason: "no such path", path: "/", want: refusal(problem.NotFound)},
		{reason: "no template", path: "/execute", want: refusal(problem.NotFound)},
		{reason: "an empty template", path: "/execute/", want: refusal(problem.NotFound)},
		{reason: "a trailing slash is not redirected", path: "/execute/a/t/", want: refusal(problem.NotFound)},
		{reason: "nor is a double one", path: "/execute//t", want: refusal(problem.NotFound)},
		{reason: "nor at the start", path: "//execute/t", want: refusal(problem.NotFound)},
		{reason: "one name too many", path: "/execute/a/t/x", want: refusal(problem.NotFound)},
		{reason: "paths have one spelling", path: "/Execute/t", want: refusal(problem.NotFound)},

		{reason: "GET", method: http.MethodGet, path: "/execute/a/t", want: refusal(problem.MethodNotAllowed),
			wantHeaders: map[string]string{"Allow": "POST, PUT, OPTIONS"}},
		{reason: "HEAD", method: http.MethodHead, path: "/execute/t", want: refusal(problem.MethodNotAllowed),
			wantHeaders: map[string]string{"Allow": "POST, PUT, OPTIONS"}},
		{reason: "a made-up method", method: "BREW", path: "/execute/t", want: refusal(problem.MethodNotAllowed),
			wantHeaders: map[string]string{"Allow": "POST, PUT, OPTIONS"}},
		{reason: "methods are upper case", method: "put", path: "/execute/t", want: refusal(problem.MethodNotAllowed),
			wantHeaders: map[string]string{"Allow": "POST, PUT, OPTIONS"}},

		{reason: "declared too large", path: "/execute/t", body: strings.NewReader(strings.Repeat("a",
			DefaultMaxPayloadBytes+1)),
			want: refusal(problem.PayloadTooLarge), wantHeaders: map[string]string{"Connection": "close"}},
		{reason: "found too large", path: "/execute/t", body: io.LimitReader(endless{}, 10<<20),
			want: refusal(problem.PayloadTooLarge), wantHeaders: map[string]string{"Connection": "close"}},
		{reason: "compressed", path: "/execute/t", headers: map[string]string{"Content-Encoding": "gzip"},
			want: refusal(problem.UnsupportedEncoding), wantHeaders: map[string]string{"Accept-Encoding": "identity"}},
		{reason: "a part of a payload", path: "/execute/t", headers: map[string]string{"Content-Range": "bytes 0-1/2"},
			want: refusal(problem.InvalidRequest)},

		{reason: "not UTF-8", path: "/execute/t", body: strings.NewReader("caf\xe9"),
			want: refusal(problem.InvalidRequest, "payload")},
		{reason: "cut in a character", path: "/execute/t", body: strings.NewReader("é\xe2\x82"),
			want: refusal(problem.InvalidRequest, "payload")},
		{reason: "a surrogate", path: "/execute/t", body: strings.NewReader("\xed\xa0\x80"),
			want: refusal(problem.InvalidRequest, "payload")},
		{reason: "UTF-16", path: "/execute/t", body: strings.NewReader("\xff\xfea\x00"),
			want: refusal(problem.InvalidRequest, "payload")},
		{reason: "the body ends early", path: "/execute/t", body: broken{},
			want: refusal(problem.InvalidRequest), wantHeaders: map[string]string{"Connection": "close"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if test.method == "" {
				test.method = http.MethodPut
			}
			request := httptest.NewRequest(test.method, test.path, test.body)
			for name, value := range test.headers {
				request.Header.Set(name, value)
			}
			api := newFakeAPIServer(t)
			response := serve(api.server(t, testOptions()), request)
			if diff := cmp.Diff(test.want, essence(problemOf(t, response))); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			for name, want := range test.wantHeaders {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			if calls := api.Methods(); len(calls) > 0 {
				t.Errorf("the API server was called: %v", calls)
			}
		})
	}
}

func TestOptionsMethod(t *testing.T) {
	response := serve(
		newFakeAPIServer(t).server(t, testOptions()),
		httptest.NewRequest(http.MethodOptions, "/execute/t", nil),
	)
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Allow") != "POST, PUT, OPTIONS" {
		t.Errorf("status = %d, Allow = %q", response.StatusCode, response.Header.Get("Allow"))
	}
}

func TestEveryReasonHasAStatus(t *testing.T) {
	for reason, status := range problem.Statuses() {
		if http.StatusText(status) == "" || status < 400 {
			t.Errorf("%s has status %d", reason, status)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
