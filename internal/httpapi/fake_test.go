package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
)

// fakeAPIServer is the API server of one test.
type fakeAPIServer struct {
	*apitest.Server

	// dependencies are those of the server under test, which lets everybody do everything.
	dependencies
}

func newFakeAPIServer(t testing.TB) *fakeAPIServer {
	fake := &fakeAPIServer{Server: apitest.New(t)}
	fake.dependencies = testDependencies(fake.client(t), testOptions())
	fake.OnChange = func(execution *dispatcherv1alpha1.JobExecution, deleted bool) {
		fake.watcher.Notify(execution, deleted)
	}
	return fake
}

// client returns a client of the fake.
func (f *fakeAPIServer) client(t testing.TB) *store.Store {
	client, err := store.New(f.Config(), apitest.HTTPClient(t), apitest.Scheme(t), f.Cache(), objectcache.New(),
		DefaultMaxConcurrentCreates, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// server returns the server under test, not started; its handler can be called.
func (f *fakeAPIServer) server(t testing.TB, options Options) *server {
	d := testDependencies(f.client(t), options)
	d.watcher, d.memory, d.times = f.watcher, f.memory, f.times
	return newServer(d, options, logr.Discard())
}

// testDependencies lets everybody do everything, at an API server of the test's own.
func testDependencies(client *store.Store, options Options) dependencies {
	return newDependencies(client, accessOf(authorizerfactory.NewAlwaysAllowAuthorizer()), render.NewDirect(10), options)
}

// accessOf is access for anonymous callers, who may do what an authorizer allows.
func accessOf(may authorizer.Authorizer) *access.Access {
	return access.New(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: user.Anonymous}}, true, nil
	}), may)
}

func testOptions() Options {
	return Options{
		BindAddress:          "127.0.0.1:0",
		DefaultNamespace:     "default",
		MaxPayloadBytes:      DefaultMaxPayloadBytes,
		MaxRequestsInFlight:  DefaultMaxRequestsInFlight,
		MaxWaitingRequests:   DefaultMaxWaitingRequests,
		MaxConcurrentCreates: DefaultMaxConcurrentCreates,
		SharedAddresses:      DefaultSharedAddresses(),
		MaxWait:              DefaultMaxWait,
		AllowedHosts:         []string{"example.com"}, // that of httptest
	}
}

// serve hands one request to the handler and returns the answer.
func serve(s *server, request *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

// problemOf decodes a problem and checks what is true of all of them.
func problemOf(t testing.TB, response *http.Response) problem.Body {
	t.Helper()
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type = %q, want application/problem+json", got)
	}
	var got problem.Body
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("decoding the problem: %v", err)
	}
	if got.Type != "about:blank" || got.Title != http.StatusText(got.Status) || got.Status != response.StatusCode {
		t.Errorf(
			"type %q, title %q and status %d do not go together with status code %d",
			got.Type,
			got.Title,
			got.Status,
			response.StatusCode,
		)
	}
	if got.RequestID == "" || got.RequestID != response.Header.Get("X-Request-Id") {
		t.Errorf(
			"requestId = %q, X-Request-Id = %q: they must be the same",
			got.RequestID,
			response.Header.Get("X-Request-Id"),
		)
	}
	return got
}
