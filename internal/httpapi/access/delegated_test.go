package access

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"

	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// reviewer answers TokenReviews and SubjectAccessReviews as a real API server does. The token "good" is alice's.
type reviewer struct {
	// allow says what RBAC says.
	allow func(who string, what authorizationv1.ResourceAttributes) bool
	// audiences are those of the access under test, and granted those that the token has.
	audiences, granted []string
	// fail, where set, answers in place of a review.
	fail func(w http.ResponseWriter, resource string) bool

	// revoked makes the token "good" a bad one.
	revoked atomic.Bool

	url string

	mutex    sync.Mutex
	tokens   int
	reviewed [][]string
	asked    []authorizationv1.SubjectAccessReviewSpec
}

func newReviewer(t testing.TB) *reviewer {
	fake := &reviewer{}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	fake.url = server.URL
	return fake
}

func (f *reviewer) access(t testing.TB) *Access {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	access, err := NewDelegated(
		&rest.Config{Host: f.url, QPS: -1},
		&http.Client{Transport: transport},
		Credentials{Audiences: f.audiences},
	)
	if err != nil {
		t.Fatal(err)
	}
	return access
}

func (f *reviewer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if f.fail != nil && f.fail(w, resource) {
		return
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	switch resource {
	case "tokenreviews":
		review := &authenticationv1.TokenReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			apitest.AnswerError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		f.tokens++
		f.reviewed = append(f.reviewed, review.Spec.Audiences)
		if review.Spec.Token == "good" && !f.revoked.Load() {
			review.Status = authenticationv1.TokenReviewStatus{
				Authenticated: true,
				Audiences:     f.granted,
				User:          authenticationv1.UserInfo{Username: "alice", Groups: []string{"team-a"}},
			}
		} else {
			review.Status = authenticationv1.TokenReviewStatus{Error: "this is not valid: " + review.Spec.Token}
		}
		apitest.AnswerJSON(w, http.StatusCreated, review)
	case "subjectaccessreviews":
		review := &authorizationv1.SubjectAccessReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			apitest.AnswerError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		f.asked = append(f.asked, review.Spec)
		review.Status.Allowed = f.allow != nil && f.allow(review.Spec.User, *review.Spec.ResourceAttributes)
		apitest.AnswerJSON(w, http.StatusCreated, review)
	}
}

// call is one request.
func call(header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodPut, "/execute/default/echo", nil)
	r.Header = header
	return r
}

// authorize asks for one right of who sends a request.
func authorize(access *Access, r *http.Request, need Right) error {
	caller, err := access.Caller(r)
	if err != nil {
		return err
	}
	return caller.Authorize(r.Context(), need)
}

var executeEcho = Right{Verb: "create", Subresource: Executions, Namespace: "default", Template: "echo"}

func TestAccess(t *testing.T) {
	alice := func(who string, _ authorizationv1.ResourceAttributes) bool { return who == "alice" }
	anybody := func(string, authorizationv1.ResourceAttributes) bool { return true }
	nobody := func(string, authorizationv1.ResourceAttributes) bool { return false }
	for _, test := range []struct {
		reason        string
		allow         func(string, authorizationv1.ResourceAttributes) bool
		header        http.Header
		want          problem.Reason // empty if the caller may
		wantChallenge string
	}{
		{"a token with the right", alice, http.Header{"Authorization": {"Bearer good"}}, "", ""},
		{"the scheme's case does not matter", alice, http.Header{"Authorization": {"bearer good"}}, "", ""},
		{"a token without the right", nobody, http.Header{"Authorization": {"Bearer good"}}, problem.Forbidden, ""},
		{"nobody in particular, who may", anybody, nil, "", ""},
		{"nobody in particular, who may not", alice, nil, problem.Unauthorized, `Bearer realm="dispatcher"`},
		{"a token that is not valid, even where anonymous may", anybody, http.Header{"Authorization": {"Bearer bad"}},
			problem.Unauthorized,
			`Bearer realm="dispatcher", error="invalid_token"`},
		{"a token that is empty", anybody, http.Header{"Authorization": {"Bearer "}}, problem.Unauthorized,
			`Bearer realm="dispatcher"`},
		{"a password", anybody, http.Header{"Authorization": {"Basic YTpi"}}, problem.Unauthorized,
			`Bearer realm="dispatcher"`},
		{"two tokens", anybody, http.Header{"Authorization": {"Bearer good", "Bearer good"}}, problem.Unauthorized,
			`Bearer realm="dispatcher"`},
		{"who a proxy says it is", alice, http.Header{"X-Remote-User": {"alice"}, "X-Remote-Group": {"system:masters"}},
			problem.Unauthorized, `Bearer realm="dispatcher"`},
		{"who it says it is", alice, http.Header{"Impersonate-User": {"alice"}, "X-Forwarded-User": {"alice"}},
			problem.Unauthorized, `Bearer realm="dispatcher"`},
		{"one who pretends to be somebody else", alice, http.Header{"Authorization": {"Bearer good"},
			"Impersonate-User": {"bob"}}, "", ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			f := newReviewer(t)
			f.allow = test.allow
			err := authorize(f.access(t), call(test.header), executeEcho)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			got, ok := errors.AsType[*problem.Problem](err)
			if !ok || got.Reason != test.want || got.Header.Get("WWW-Authenticate") != test.wantChallenge {
				t.Errorf("got %+v, want %s and the challenge %s", got, test.want, test.wantChallenge)
			}
		})
	}
}

// What is asked of the API server is what a Role has to say.
func TestReviewedRight(t *testing.T) {
	f := newReviewer(t)
	if err := authorize(f.access(t), call(http.Header{"Authorization": {"Bearer good"}}), executeEcho); err == nil {
		t.Error("allowed")
	}
	want := []authorizationv1.SubjectAccessReviewSpec{{
		User: "alice", Groups: []string{"team-a", user.AllAuthenticated},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: "default", Verb: "create", Group: "dispatcher.ivan.vc", Version: "v1alpha1",
			Resource: "jobtemplates", Subresource: "executions", Name: "echo",
		},
	}}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("SubjectAccessReviews (-want +got):\n%s", diff)
	}
}

// A caller that comes often costs nothing, and a request that needs two rights is authenticated once.
func TestAccessIsCached(t *testing.T) {
	f := newReviewer(t)
	f.allow = func(who string, _ authorizationv1.ResourceAttributes) bool { return who == "alice" }
	access := f.access(t)
	for range 3 {
		r := call(http.Header{"Authorization": {"Bearer good"}})
		caller, err := access.Caller(r)
		if err != nil || caller.Name() != "alice" {
			t.Fatalf("the caller is %+v, %v", caller, err)
		}
		for _, need := range []Right{executeEcho, executeEcho.To("get")} {
			if err := caller.Authorize(r.Context(), need); err != nil {
				t.Error(err)
			}
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("a token that was checked is still in the header")
		}
	}
	if f.tokens != 1 || len(f.asked) != 2 {
		t.Errorf("asked %d times for the token and %d times for two rights", f.tokens, len(f.asked))
	}
}

// Nobody is let in, and nobody's credentials are called wrong, because the API server could not be asked.
func TestAccessWithoutAnAPIServer(t *testing.T) {
	answers := func(err *apierrors.StatusError) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { apitest.AnswerError(w, err) }
	}
	for _, trouble := range []struct {
		reason string
		answer func(http.ResponseWriter)
		own    bool // The detail says that it is the fault of Dispatcher's own permissions.
	}{
		{"gone", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, false},
		{"failing", answers(apierrors.NewInternalError(http.ErrServerClosed)), false},
		{"away", answers(apierrors.NewServiceUnavailable("etcd is away")), false},
		{"forbidden to ask", answers(apierrors.NewForbidden(apitest.ExecutionsResource, "", http.ErrServerClosed)), true},
		{"not accepted", answers(apierrors.NewUnauthorized("the token has expired")), true},
		{"no API server", func(w http.ResponseWriter) { http.Error(w, "hello", http.StatusNotFound) }, false},
	} {
		for _, resource := range []string{"tokenreviews", "subjectaccessreviews"} {
			t.Run(trouble.reason+" for "+resource, func(t *testing.T) {
				t.Parallel()
				f := newReviewer(t)
				f.allow = func(string, authorizationv1.ResourceAttributes) bool { return true }
				f.fail = func(w http.ResponseWriter, asked string) bool {
					if asked != resource {
						return false
					}
					trouble.answer(w)
					return true
				}
				err := authorize(f.access(t), call(http.Header{"Authorization": {"Bearer good"}}), executeEcho)
				got, ok := errors.AsType[*problem.Problem](err)
				if !ok || got.Reason != problem.Unavailable || got.RetryAfterSeconds != 5 {
					t.Fatalf("got %+v", got)
				}
				if own := strings.Contains(got.Detail, "Dispatcher's own permission"); own != trouble.own {
					t.Errorf("the detail is %q", got.Detail)
				}
			})
		}
	}
}

// An API server that says nothing is not waited for without end.
func TestQuestionsEnd(t *testing.T) {
	f := newReviewer(t)
	hold := make(chan struct{})
	defer close(hold)
	f.fail = func(http.ResponseWriter, string) bool { <-hold; return true }
	access := f.access(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, header := range []http.Header{nil, {"Authorization": {"Bearer good"}}} {
		caller, err := access.callerOf(ended, call(header))
		if err == nil {
			err = caller.authorize(ended, executeEcho)
		}
		if !problem.Is(err, problem.Unavailable) {
			t.Errorf("with %v: got %v", header, err)
		}
	}
}

// Neither a token nor what an API server says of it reaches the log.
func TestRefusedTokensLeaveNoTrace(t *testing.T) {
	f := newReviewer(t)
	_, err := f.access(t).Caller(call(http.Header{"Authorization": {"Bearer the-secret"}}))
	if err == nil || strings.Contains(err.Error(), "the-secret") ||
		!strings.Contains(err.Error(), "this is not valid: ...") {
		t.Errorf("the log would have %v", err)
	}
}

// With audiences, a token must be for one of them: one for the API server alone is not accepted.
func TestAudiences(t *testing.T) {
	for _, test := range []struct {
		reason             string
		audiences, granted []string
		want               problem.Reason // empty if the caller is let in
	}{
		{"none are asked for: those of the API server", nil, nil, ""},
		{"the token has the one that is asked for", []string{"dispatcher"}, []string{"dispatcher"}, ""},
		{"the token has one of several", []string{"dispatcher", "other"}, []string{"other"}, ""},
		{"the token has another", []string{"dispatcher"}, []string{"https://kubernetes.default.svc"}, problem.Unauthorized},
	} {
		f := newReviewer(t)
		f.audiences, f.granted = test.audiences, test.granted
		f.allow = func(string, authorizationv1.ResourceAttributes) bool { return true }
		err := authorize(f.access(t), call(http.Header{"Authorization": {"Bearer good"}}), executeEcho)
		if problem.Is(err, test.want) != (test.want != "") || (err == nil) != (test.want == "") {
			t.Errorf("%s: got %v, want %q", test.reason, err, test.want)
		}
		if diff := cmp.Diff([][]string{test.audiences}, f.reviewed); diff != "" {
			t.Errorf("%s: audiences of the TokenReviews (-want +got):\n%s", test.reason, diff)
		}
	}
}
