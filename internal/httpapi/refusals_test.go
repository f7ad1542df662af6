package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	labelRule     = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
	subdomainRule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)

// Every row is refused before the API server hears of it.
func TestRefusedRequests(t *testing.T) {
	const (
		badPath  = "the path names no possible JobTemplate"
		noPath   = "this API has no such path; to execute a JobTemplate, PUT to /execute/{namespace}/{template}"
		tooLarge = "the payload is larger than the 262144 bytes that are accepted"
		notUTF8  = "the payload is not UTF-8 text"
	)
	namespaceLabel := []fieldError{{"namespace", labelRule}}
	templateName := []fieldError{{"template", subdomainRule}}
	for _, test := range []struct {
		reason       string
		method, path string
		headers      map[string]string
		body         io.Reader
		want         problem
		wantHeaders  map[string]string
	}{
		{reason: "upper case", path: "/execute/Team/t", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: namespaceLabel}},
		{reason: "a namespace has no dots", path: "/execute/a.b/t",
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: []fieldError{{"namespace", "must not contain dots"}}}},
		{reason: "a namespace is at most 63 long", path: "/execute/" + strings.Repeat("a", 64) + "/t",
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: []fieldError{{"namespace", "must be no more than 63 characters"}}}},
		{reason: "a template is at most 63 long", path: "/execute/a/" + strings.Repeat("t", 64),
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: []fieldError{{"template", "must be no more than 63 characters"}}}},
		{reason: "both at once", path: "/execute/A/_", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: append(namespaceLabel, templateName...)}},
		{reason: "an encoded slash is no other path", path: "/execute/a%2Fb", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: templateName}},
		{reason: "nor is an encoded traversal", path: "/execute/a/%2e%2e%2fexecutions", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: templateName}},
		{reason: "dots are not resolved", path: "/execute/../t", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: namespaceLabel}},
		{reason: "not even one", path: "/execute/.", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: templateName}},
		{reason: "NUL in a name", path: "/execute/a%00", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: templateName}},
		{reason: "a line break in a name", path: "/execute/a%0Ab", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: templateName}},
		{reason: "a space in a name", path: "/execute/a%20", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: templateName}},
		{reason: "encoding twice", path: "/execute/a%2562", want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: badPath, Errors: templateName}},
		{reason: "a preview must not run", path: "/execute/t?dryRun=All&a=b",
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "this call takes the query parameters dryRun", Errors: []fieldError{{"a", "unknown query parameter"}}}},

		{reason: "no such path", path: "/", want: problem{Status: 404, Reason: reasonNotFound, Detail: noPath}},
		{reason: "no template", path: "/execute", want: problem{Status: 404, Reason: reasonNotFound, Detail: noPath}},
		{reason: "an empty template", path: "/execute/", want: problem{Status: 404, Reason: reasonNotFound, Detail: noPath}},
		{reason: "a trailing slash is not redirected", path: "/execute/a/t/", want: problem{Status: 404, Reason: reasonNotFound, Detail: noPath}},
		{reason: "nor is a double one", path: "/execute//t", want: problem{Status: 404, Reason: reasonNotFound, Detail: noPath}},
		{reason: "nor at the start", path: "//execute/t", want: problem{Status: 404, Reason: reasonNotFound, Detail: noPath}},
		{reason: "one name too many", path: "/execute/a/t/x", want: problem{Status: 404, Reason: reasonNotFound, Detail: noPath}},
		{reason: "paths have one spelling", path: "/Execute/t", want: problem{Status: 404, Reason: reasonNotFound, Detail: noPath}},

		{reason: "GET", method: http.MethodGet, path: "/execute/a/t", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes POST, PUT, OPTIONS"}, wantHeaders: map[string]string{"Allow": "POST, PUT, OPTIONS"}},
		{reason: "HEAD", method: http.MethodHead, path: "/execute/t", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes POST, PUT, OPTIONS"}, wantHeaders: map[string]string{"Allow": "POST, PUT, OPTIONS"}},
		{reason: "a made-up method", method: "BREW", path: "/execute/t", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes POST, PUT, OPTIONS"}, wantHeaders: map[string]string{"Allow": "POST, PUT, OPTIONS"}},
		{reason: "methods are upper case", method: "put", path: "/execute/t", want: problem{Status: 405, Reason: reasonMethodNotAllowed, Detail: "this path takes POST, PUT, OPTIONS"}, wantHeaders: map[string]string{"Allow": "POST, PUT, OPTIONS"}},

		{reason: "declared too large", path: "/execute/t", body: strings.NewReader(strings.Repeat("a", DefaultMaxPayloadBytes+1)),
			want: problem{Status: 413, Reason: reasonPayloadTooLarge, Detail: tooLarge}, wantHeaders: map[string]string{"Connection": "close"}},
		{reason: "found too large", path: "/execute/t", body: io.LimitReader(endless{}, 10<<20),
			want: problem{Status: 413, Reason: reasonPayloadTooLarge, Detail: tooLarge}, wantHeaders: map[string]string{"Connection": "close"}},
		{reason: "compressed", path: "/execute/t", headers: map[string]string{"Content-Encoding": "gzip"},
			want: problem{Status: 415, Reason: reasonUnsupportedEncoding, Detail: "the payload is taken as it is sent: send it without Content-Encoding"}, wantHeaders: map[string]string{"Accept-Encoding": "identity"}},
		{reason: "a part of a payload", path: "/execute/t", headers: map[string]string{"Content-Range": "bytes 0-1/2"},
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "a payload cannot be sent in parts: send it without Content-Range"}},

		{reason: "not UTF-8", path: "/execute/t", body: strings.NewReader("caf\xe9"),
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: notUTF8, Errors: []fieldError{{"payload", "is not valid UTF-8 at byte 3"}}}},
		{reason: "cut in a character", path: "/execute/t", body: strings.NewReader("é\xe2\x82"),
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: notUTF8, Errors: []fieldError{{"payload", "is not valid UTF-8 at byte 2"}}}},
		{reason: "a surrogate", path: "/execute/t", body: strings.NewReader("\xed\xa0\x80"),
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: notUTF8, Errors: []fieldError{{"payload", "is not valid UTF-8 at byte 0"}}}},
		{reason: "UTF-16", path: "/execute/t", body: strings.NewReader("\xff\xfea\x00"),
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: notUTF8, Errors: []fieldError{{"payload", "is not valid UTF-8 at byte 0"}}}},
		{reason: "the body ends early", path: "/execute/t", body: broken{},
			want: problem{Status: 400, Reason: reasonInvalidRequest, Detail: "the payload could not be read to its end"}, wantHeaders: map[string]string{"Connection": "close"}},
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
			got := problemOf(t, response)
			test.want.Type, test.want.Title, test.want.RequestID = got.Type, got.Title, got.RequestID
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			for name, want := range test.wantHeaders {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			if calls := api.methods(); len(calls) > 0 {
				t.Errorf("the API server was called: %v", calls)
			}
		})
	}
}

func TestOptionsMethod(t *testing.T) {
	response := serve(newFakeAPIServer(t).server(t, testOptions()), httptest.NewRequest(http.MethodOptions, "/execute/t", nil))
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Allow") != "POST, PUT, OPTIONS" {
		t.Errorf("status = %d, Allow = %q", response.StatusCode, response.Header.Get("Allow"))
	}
}

func TestEveryReasonHasAStatus(t *testing.T) {
	for reason, status := range statuses {
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
