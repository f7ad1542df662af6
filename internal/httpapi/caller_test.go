package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
)

// Each call that stores an execution, or tries to, says who makes it: the user that was authenticated.
func TestExecutionsHaveTheirCaller(t *testing.T) {
	for _, name := range []string{user.Anonymous, "alice", "system:serviceaccount:ci:deployer", "o'hara$(X)\"é"} {
		for _, call := range answersWithObjects {
			if !strings.HasPrefix(call.path, "/execute") {
				continue
			}
			api := newFakeAPIServer(t)
			api.put("n", call.change)
			api.Template = withArguments("p")
			var got []dispatcherv1alpha1.Caller
			api.OnCreate = func(_ http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
				got = append(got, *execution.Spec.Caller)
				return false
			}
			d := testDependencies(api.client(t), testOptions())
			d.access = access.New(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
				return &authenticator.Response{User: &user.DefaultInfo{Name: name}}, true, nil
			}), authorizerfactory.NewAlwaysAllowAuthorizer())
			response := serve(newServer(d, testOptions(), logr.Discard()), call.request(mediaJSON, "p"))
			if response.StatusCode != call.status {
				t.Fatalf("%+v: status = %d", call, response.StatusCode)
			}
			want := []dispatcherv1alpha1.Caller{{Username: name, Via: dispatcherv1alpha1.CallerViaHTTP}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s%s of %s (-want +got):\n%s", call.method, call.path, call.query, name, diff)
			}
		}
	}
}

// Whoever repeats a call gets the execution of the first caller.
func TestARepeatKeepsTheCaller(t *testing.T) {
	api := newFakeAPIServer(t)
	alice := &user.DefaultInfo{Name: "alice"}
	for range 2 {
		keyedCall(t, api, alice, verbs("create", "get"), "p")
	}
	stored := api.Stored()
	if len(stored) != 1 || stored[0].Spec.Caller == nil || stored[0].Spec.Caller.Username != "alice" {
		t.Errorf("stored %+v", stored)
	}
}

// The answer to a caller has the caller.
func TestAnswersHaveTheCaller(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n", ends, func(e *dispatcherv1alpha1.JobExecution) {
		e.Spec.Caller = &dispatcherv1alpha1.Caller{Username: "bob", Via: dispatcherv1alpha1.CallerViaKubernetes}
	})
	for _, call := range answersWithObjects {
		if call.method != http.MethodGet || !strings.HasPrefix(call.path, "/executions") {
			continue
		}
		recorder := httptest.NewRecorder()
		api.server(t, testOptions()).http.Handler.ServeHTTP(recorder, call.request(mediaJSON, ""))
		if !strings.Contains(recorder.Body.String(), `"caller":{"username":"bob","via":"Kubernetes"}`) {
			t.Errorf("%s %s%s: %.500s", call.method, call.path, call.query, recorder.Body)
		}
	}
}
