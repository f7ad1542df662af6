package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
)

// reviewer answers TokenReviews and SubjectAccessReviews as a real API server does. The token "good" is alice's.
type reviewer struct {
	// allow says what RBAC says.
	allow func(who string, what authorizationv1.ResourceAttributes) bool
	// fail, where set, answers in place of a review.
	fail func(w http.ResponseWriter, resource string) bool

	url string

	mutex  sync.Mutex
	tokens int
	asked  []authorizationv1.SubjectAccessReviewSpec
}

func newReviewer(t testing.TB) *reviewer {
	fake := &reviewer{}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	fake.url = server.URL
	return fake
}

func (f *reviewer) access(t testing.TB) *delegatedAccess {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	access, err := newDelegatedAccess(&rest.Config{Host: f.url, QPS: -1}, &http.Client{Transport: transport}, nil)
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
			answerError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		f.tokens++
		if review.Spec.Token == "good" {
			review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: "alice", Groups: []string{"team-a"}}}
		} else {
			review.Status = authenticationv1.TokenReviewStatus{Error: "this is not valid: " + review.Spec.Token}
		}
		answerJSON(w, http.StatusCreated, review)
	case "subjectaccessreviews":
		review := &authorizationv1.SubjectAccessReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			answerError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		f.asked = append(f.asked, review.Spec)
		review.Status.Allowed = f.allow != nil && f.allow(review.Spec.User, *review.Spec.ResourceAttributes)
		answerJSON(w, http.StatusCreated, review)
	}
}

// call is one request as observe would pass it on.
func (f *reviewer) call(header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodPut, "/execute/default/echo", nil)
	r.Header = header
	return withRecord(r, newRecord(r))
}

var executeEcho = right{"create", subresourceExecutions, "default", "echo"}

// The server under test, behind it the fake that stores executions.
func (f *reviewer) serve(t *testing.T, log logr.Logger, request *http.Request) (*http.Response, *fakeAPIServer) {
	api := newFakeAPIServer(t)
	d := testDependencies(api.client(t))
	d.access = f.access(t)
	return serve(newServer(d, testOptions(), log), request), api
}

func TestAccess(t *testing.T) {
	alice := func(who string, _ authorizationv1.ResourceAttributes) bool { return who == "alice" }
	anybody := func(string, authorizationv1.ResourceAttributes) bool { return true }
	nobody := func(string, authorizationv1.ResourceAttributes) bool { return false }
	for _, test := range []struct {
		reason        string
		allow         func(string, authorizationv1.ResourceAttributes) bool
		header        http.Header
		wantStatus    int
		wantChallenge string
		wantDetail    string
	}{
		{"a token with the right", alice, http.Header{"Authorization": {"Bearer good"}}, 201, "", ""},
		{"the scheme's case does not matter", alice, http.Header{"Authorization": {"bearer good"}}, 201, "", ""},
		{"a token without the right", nobody, http.Header{"Authorization": {"Bearer good"}}, 403, "",
			`user "alice" cannot create jobtemplates/executions (API group dispatcher.ivan.vc) of the JobTemplate "echo" in namespace "default"`},
		{"nobody in particular, who may", anybody, nil, 201, "", ""},
		{"nobody in particular, who may not", alice, nil, 401, `Bearer realm="dispatcher"`, "send a bearer token"},
		{"a token that is not valid, even where anonymous may", anybody, http.Header{"Authorization": {"Bearer bad"}}, 401,
			`Bearer realm="dispatcher", error="invalid_token"`, "the credentials are not valid"},
		{"a token that is empty", anybody, http.Header{"Authorization": {"Bearer "}}, 401, `Bearer realm="dispatcher"`, "holds no bearer token"},
		{"a password", anybody, http.Header{"Authorization": {"Basic YTpi"}}, 401, `Bearer realm="dispatcher"`, "holds no bearer token"},
		{"two tokens", anybody, http.Header{"Authorization": {"Bearer good", "Bearer good"}}, 401, `Bearer realm="dispatcher"`, "send one"},
		{"who a proxy says it is", alice, http.Header{"X-Remote-User": {"alice"}, "X-Remote-Group": {"system:masters"}}, 401, `Bearer realm="dispatcher"`, ""},
		{"who it says it is", alice, http.Header{"Impersonate-User": {"alice"}, "X-Forwarded-User": {"alice"}}, 401, `Bearer realm="dispatcher"`, ""},
		{"one who pretends to be somebody else", alice, http.Header{"Authorization": {"Bearer good"}, "Impersonate-User": {"bob"}}, 201, "", ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			f := newReviewer(t)
			f.allow = test.allow
			request := f.call(test.header)
			response, api := f.serve(t, logr.Discard(), request)
			if response.StatusCode != test.wantStatus || response.Header.Get("WWW-Authenticate") != test.wantChallenge {
				t.Fatalf("status %d, WWW-Authenticate %q", response.StatusCode, response.Header.Get("WWW-Authenticate"))
			}
			if created := len(api.names()) == 1; created != (test.wantStatus == http.StatusCreated) {
				t.Errorf("stored %v with status %d", api.names(), response.StatusCode)
			}
			if test.wantStatus == http.StatusCreated {
				return
			}
			want := reasonUnauthorized
			if test.wantStatus == http.StatusForbidden {
				want = reasonForbidden
			}
			if got := problemOf(t, response); got.Reason != want || !strings.Contains(got.Detail, test.wantDetail) {
				t.Errorf("got %+v, want %s and %q", got, want, test.wantDetail)
			}
		})
	}
}

// What is asked of the API server is what a Role has to say.
func TestReviewedRight(t *testing.T) {
	f := newReviewer(t)
	if err := f.access(t).authorize(f.call(http.Header{"Authorization": {"Bearer good"}}), executeEcho); err == nil {
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
		r := f.call(http.Header{"Authorization": {"Bearer good"}})
		for _, need := range []right{executeEcho, {"get", subresourceExecutions, "default", "echo"}} {
			if err := access.authorize(r, need); err != nil {
				t.Error(err)
			}
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("a token that was checked is still in the header")
		}
		if got := recordOf(r).caller; got == nil || got.GetName() != "alice" {
			t.Errorf("the record has the caller %v", got)
		}
	}
	if f.tokens != 1 || len(f.asked) != 2 {
		t.Errorf("asked %d times for the token and %d times for two rights", f.tokens, len(f.asked))
	}
}

func TestAccessToWhatDoesNotExist(t *testing.T) {
	for _, test := range []struct {
		reason string
		allow  string // the template on which everybody has the right, "" for the whole namespace
		header http.Header
		want   reason // none if the caller may be told
	}{
		{"somebody may know", "other", http.Header{"Authorization": {"Bearer good"}}, ""},
		{"but has to be somebody", "other", http.Header{"Authorization": {"Bearer bad"}}, reasonUnauthorized},
		{"nobody may where they may see all", "", nil, ""},
		{"nobody may not where they may see some", "echo", nil, reasonUnauthorized},
	} {
		f := newReviewer(t)
		f.allow = func(_ string, what authorizationv1.ResourceAttributes) bool { return what.Name == test.allow }
		err := f.access(t).authorizeAbsent(f.call(test.header), right{"get", subresourceExecutions, "default", "echo"})
		var got reason
		if refused, ok := err.(*refusal); ok { //nolint:errorlint // what is returned is the refusal itself
			got = refused.reason
		}
		if got != test.want {
			t.Errorf("%s: got %v, want %q", test.reason, err, test.want)
		}
	}
}

// Nobody is let in, and nobody's credentials are called wrong, because the API server could not be asked.
func TestAccessWithoutAnAPIServer(t *testing.T) {
	answers := func(err *apierrors.StatusError) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { answerError(w, err) }
	}
	for _, trouble := range []struct {
		reason string
		answer func(http.ResponseWriter)
	}{
		{"gone", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }},
		{"failing", answers(apierrors.NewInternalError(http.ErrServerClosed))},
		{"away", answers(apierrors.NewServiceUnavailable("etcd is away"))},
		{"forbidden to ask", answers(apierrors.NewForbidden(executionsResource, "", http.ErrServerClosed))},
		{"no API server", func(w http.ResponseWriter) { http.Error(w, "hello", http.StatusNotFound) }},
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
				response, api := f.serve(t, logr.Discard(), f.call(http.Header{"Authorization": {"Bearer good"}}))
				got := problemOf(t, response)
				if got.Status != http.StatusServiceUnavailable || got.Reason != reasonUnavailable || response.Header.Get("Retry-After") != "5" {
					t.Errorf("got %+v, Retry-After %q", got, response.Header.Get("Retry-After"))
				}
				if len(api.names()) > 0 {
					t.Errorf("stored %v", api.names())
				}
			})
		}
	}
}

// An API server that says nothing is not waited for without end: the deadline is that of authorize.
func TestAccessEnds(t *testing.T) {
	f := newReviewer(t)
	hold := make(chan struct{})
	defer close(hold)
	f.fail = func(http.ResponseWriter, string) bool { <-hold; return true }
	access := f.access(t)
	for _, header := range []http.Header{nil, {"Authorization": {"Bearer good"}}} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		caller, err := access.authenticate(ctx, f.call(header))
		if err == nil {
			err = access.check(ctx, caller, executeEcho)
		}
		if refused, ok := err.(*refusal); !ok || refused.reason != reasonUnavailable { //nolint:errorlint // as above
			t.Errorf("with %v: got %v", header, err)
		}
	}
}

// A refused caller's body is not read, and neither token nor what an API server says of it reaches the log.
func TestRefusedCallersLeaveNoTrace(t *testing.T) {
	f := newReviewer(t)
	log := &capturedLog{}
	request := f.call(http.Header{"Authorization": {"Bearer the-secret"}, "X-Request-Id": {"r1"}})
	request.Body = http.NoBody
	body := &untouched{}
	request.Body = body
	response, _ := f.serve(t, log.logger(), request)
	if response.StatusCode != http.StatusUnauthorized || body.read {
		t.Errorf("status %d, body read: %t", response.StatusCode, body.read)
	}
	line := log.only(t)
	if text := strings.Join(log.lines, ""); strings.Contains(text, "the-secret") || line["error"] != "Unauthorized: this is not valid: ..." {
		t.Errorf("logged %s", text)
	}
}

type untouched struct{ read bool }

func (u *untouched) Read([]byte) (int, error) { u.read = true; return 0, http.ErrBodyReadAfterClose }
func (u *untouched) Close() error             { return nil }

func TestAccessLogNamesTheCaller(t *testing.T) {
	f := newReviewer(t)
	for header, want := range map[string]string{"": user.Anonymous, "Bearer good": "alice"} {
		log := &capturedLog{}
		sent := http.Header{}
		if header != "" {
			sent.Set("Authorization", header)
		}
		f.serve(t, log.logger(), f.call(sent))
		if got := log.only(t)["user"]; got != want {
			t.Errorf("the log has the user %v, want %s", got, want)
		}
	}
}
