package httpapi

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRouter sends any method, path, query and body to the handler, over an API server that stores everything. Nothing
// panics, nothing is answered with a server error, every answer but a success is a problem, and only a success stores.
func FuzzRouter(f *testing.F) {
	for _, path := range []string{
		"/execute/t", "/execute/a/t", "/execute/a/t/", "/execute//t", "/execute/a%2Fb", "/execute/../t", "/", "", "*",
		"/execute/%00", "/execute/" + strings.Repeat("a", 100), "//host/execute/t", "/execute/%zz", "/execute/é",
	} {
		f.Add(http.MethodPut, path, "", []byte("payload"))
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "CONNECT", "BREW", "put"} {
		f.Add(method, "/execute/t", "", []byte{})
	}
	f.Add("PUT", "/execute/t", "dryRun=All&%zz", []byte("\xff"))
	f.Add("POST", "/execute/t", "", bytes.Repeat([]byte("a"), 2000))

	options := testOptions()
	options.MaxPayloadBytes = 1000
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		request := httptest.NewRequest(http.MethodPut, "/", bytes.NewReader(body))
		request.Method = method
		request.URL = &url.URL{Path: path, RawQuery: query}
		if parsed, err := url.ParseRequestURI(path); err == nil {
			request.URL = &url.URL{Path: parsed.Path, RawPath: parsed.RawPath, RawQuery: query}
		}
		api := newFakeAPIServer(t)
		response := serve(api.server(t, options), request)
		switch {
		case response.StatusCode >= 500:
			t.Errorf("%s %q: status %d", method, path, response.StatusCode)
		case response.StatusCode == http.StatusCreated:
			if len(api.names()) != 1 {
				t.Errorf("%s %q: created, but %v is stored", method, path, api.names())
			}
			return
		case response.StatusCode == http.StatusNoContent:
		default:
			problemOf(t, response)
		}
		if calls := api.methods(); len(calls) > 0 {
			t.Errorf("%s %q: status %d, but the API server was called: %v", method, path, response.StatusCode, calls)
		}
	})
}
