package httpapi

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"dispatcher.ivan.vc/internal/httpapi/access"
)

// keyedCall executes the template t with the key k as a user, who may do what may allows.
func keyedCall(
	t *testing.T, api *fakeAPIServer, who user.Info, may authorizer.Authorizer, payload string,
) *http.Response {
	t.Helper()
	d := testDependencies(api.client(t), testOptions())
	d.access = access.New(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: who}, true, nil
	}), may)
	request := httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader(payload))
	request.Header.Set(idempotencyKeyHeader, "k")
	return serve(newServer(d, testOptions(), logr.Discard()), request)
}

// verbs allows some verbs on the executions of templates.
func verbs(allowed ...string) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(
		func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			for _, verb := range allowed {
				if a.GetVerb() == verb && a.GetSubresource() == access.Executions {
					return authorizer.DecisionAllow, "", nil
				}
			}
			return authorizer.DecisionNoOpinion, "", nil
		})
}

// A key is its caller's: what others do with the same key is another execution.
func TestKeysBelongToTheirCaller(t *testing.T) {
	alice := &user.DefaultInfo{Name: "alice", UID: "1"}
	for _, test := range []struct {
		reason  string
		other   user.Info
		payload string
		want    int
	}{
		{"the same caller", &user.DefaultInfo{Name: "alice", UID: "1"}, "p", http.StatusOK},
		{"groups are not the caller", &user.DefaultInfo{Name: "alice", UID: "1", Groups: []string{"g"}}, "p", http.StatusOK},
		{"another caller", &user.DefaultInfo{Name: "bob", UID: "2"}, "p", http.StatusCreated},
		{"another caller with another payload", &user.DefaultInfo{Name: "bob", UID: "2"}, "q", http.StatusCreated},
		{"another one of that name", &user.DefaultInfo{Name: "alice", UID: "2"}, "p", http.StatusCreated},
		{"a name that runs into the UID", &user.DefaultInfo{Name: "alice1"}, "p", http.StatusCreated},
		{"nobody", &user.DefaultInfo{Name: user.Anonymous}, "p", http.StatusCreated},
	} {
		api := newFakeAPIServer(t)
		first := keyedCall(t, api, alice, verbs("create", "get"), "p")
		second := keyedCall(t, api, test.other, verbs("create", "get"), test.payload)
		if first.StatusCode != http.StatusCreated || second.StatusCode != test.want {
			t.Errorf("%s: status = %d and %d, want %d", test.reason, first.StatusCode, second.StatusCode, test.want)
		}
		same := first.Header.Get("Location") == second.Header.Get("Location")
		if want := test.want == http.StatusOK; same != want {
			t.Errorf("%s: the same execution: %t, want %t", test.reason, same, want)
		}
	}
}

// Who may execute and not look learns by a repeat where the execution is, and nothing of it.
func TestRepeatsTellNoOutcomeWithoutTheRight(t *testing.T) {
	alice := &user.DefaultInfo{Name: "alice"}
	api := newFakeAPIServer(t)
	first := keyedCall(t, api, alice, verbs("create"), "p")
	api.Change(api.Names()[0], ends)
	response := keyedCall(t, api, alice, verbs("create"), "p")
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || len(body) > 0 || response.Header.Get("Content-Type") != "" {
		t.Errorf("status = %d, Content-Type = %q, body %s", response.StatusCode, response.Header.Get("Content-Type"), body)
	}
	if got, want := response.Header.Get("Location"), first.Header.Get("Location"); got != want {
		t.Errorf("Location = %q, want %q", got, want)
	}
	response = keyedCall(t, api, alice, verbs("create", "get"), "p")
	if got := decoded(t, response); response.StatusCode != http.StatusOK || !got.IsFinished() {
		t.Errorf("with the right: status = %d, got %+v", response.StatusCode, got)
	}
}

// What decides is the payload that is stored, and no annotation, which others may change.
func TestTheStoredPayloadIsCompared(t *testing.T) {
	alice := &user.DefaultInfo{Name: "alice"}
	api := newFakeAPIServer(t)
	keyedCall(t, api, alice, verbs("create", "get"), "p")
	for _, execution := range api.Stored() {
		execution.Spec.Payload = "another"
	}
	if got := keyedCall(t, api, alice, verbs("create", "get"), "p"); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("status = %d", got.StatusCode)
	}
	if got := keyedCall(t, api, alice, verbs("create", "get"), "another"); got.StatusCode != http.StatusOK {
		t.Errorf("status = %d", got.StatusCode)
	}
}
