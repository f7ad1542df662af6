package access

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// answering is an authorizer that gives one answer.
func answering(decision authorizer.Decision, err error) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
		return decision, "", err
	})
}

// An answer that comes with an error allows nothing, and is no refusal. No opinion allows nothing either.
func TestOnlyACertainAnswerAllows(t *testing.T) {
	away := errors.New("away")
	for _, test := range []struct {
		reason   string
		decision authorizer.Decision
		err      error
		want     problem.Reason // empty if the caller may
	}{
		{"allowed", authorizer.DecisionAllow, nil, ""},
		{"denied", authorizer.DecisionDeny, nil, problem.Forbidden},
		{"no opinion", authorizer.DecisionNoOpinion, nil, problem.Forbidden},
		{"allowed, and an error", authorizer.DecisionAllow, away, problem.Unavailable},
		{"no opinion, and an error", authorizer.DecisionNoOpinion, away, problem.Unavailable},
	} {
		caller := &Caller{info: &user.DefaultInfo{Name: "alice"}, authorizer: answering(test.decision, test.err)}
		err := caller.Authorize(t.Context(), executeEcho)
		if (err == nil) != (test.want == "") || test.want != "" && !problem.Is(err, test.want) {
			t.Errorf("%s: Authorize: %v, want %q", test.reason, err, test.want)
		}
		may, err := caller.May(t.Context(), executeEcho)
		if may != (test.want == "") || problem.Is(err, problem.Unavailable) != (test.err != nil) {
			t.Errorf("%s: May: %v, %v", test.reason, may, err)
		}
	}
}

// Whether anonymous callers may execute everything is asked with their group, and of all templates.
func TestAnonymousMayExecute(t *testing.T) {
	asked := authorizer.Attributes(nil)
	access := New(nil, authorizer.AuthorizerFunc(
		func(_ context.Context, what authorizer.Attributes) (authorizer.Decision, string, error) {
			asked = what
			return authorizer.DecisionAllow, "", nil
		}))
	if may, err := access.AnonymousMayExecute(t.Context()); !may || err != nil {
		t.Errorf("got %v, %v", may, err)
	}
	got := []string{asked.GetUser().GetName(), strings.Join(asked.GetUser().GetGroups(), ","), asked.GetVerb(),
		asked.GetResource(), asked.GetSubresource(), asked.GetNamespace(), asked.GetName()}
	want := []string{"system:anonymous", "system:unauthenticated", "create", "jobtemplates", "executions", "", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	access = New(nil, answering(authorizer.DecisionAllow, errors.New("away")))
	if _, err := access.AnonymousMayExecute(t.Context()); err == nil {
		t.Error("no error where nobody could be asked")
	}
}

// Each question has its time, which a caller that hangs up does not end.
func TestQuestionsHaveTheirTime(t *testing.T) {
	check := func(what string, ctx context.Context) {
		t.Helper()
		deadline, bounded := ctx.Deadline()
		if left := time.Until(deadline); ctx.Err() != nil || !bounded || left > Timeout {
			t.Errorf("%s: %v, %v left", what, ctx.Err(), left)
		}
	}
	access := New(
		authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
			check("authentication", r.Context())
			return &authenticator.Response{User: &user.DefaultInfo{Name: "alice"}}, true, nil
		}),
		authorizer.AuthorizerFunc(
			func(ctx context.Context, _ authorizer.Attributes) (authorizer.Decision, string, error) {
				check("authorization", ctx)
				return authorizer.DecisionAllow, "", nil
			}),
	)
	hungUp, hangUp := context.WithCancel(t.Context())
	hangUp()
	caller, err := access.Caller(call(nil).WithContext(hungUp))
	if err != nil {
		t.Fatal(err)
	}
	if err := caller.Authorize(hungUp, executeEcho); err != nil {
		t.Error(err)
	}
	if _, err := caller.May(hungUp, executeEcho); err != nil {
		t.Error(err)
	}
	if _, err := access.AnonymousMayExecute(hungUp); err != nil {
		t.Error(err)
	}
}

// Credentials are not called wrong because there was no time to check them, whatever the error says.
func TestCredentialsThatWereNotChecked(t *testing.T) {
	access := New(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return nil, false, errors.New("it says nothing of the time")
	}), nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for ctx, want := range map[context.Context]problem.Reason{
		t.Context(): problem.Unauthorized, ended: problem.Unavailable,
	} {
		if _, err := access.callerOf(ctx, call(nil)); !problem.Is(err, want) {
			t.Errorf("with a context that has ended: %v: got %v, want %s", ctx.Err(), err, want)
		}
	}
}

func TestReviewFailed(t *testing.T) {
	bad, unknown := errors.New("invalid bearer token"), x509.UnknownAuthorityError{}
	network := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, test := range []struct {
		reason string
		err    error
		want   bool
	}{
		{"an API server's error", apierrors.NewServiceUnavailable("etcd"), true},
		{"no connection", network, true},
		{"a call that failed", &url.Error{Op: "Post", Err: errors.New("EOF")}, true},
		{"no time", fmt.Errorf("asking: %w", context.DeadlineExceeded), true},
		{"a stop", fmt.Errorf("asking: %w", context.Canceled), true},
		{"one of several", utilerrors.NewAggregate([]error{bad, network}), true},
		{"a bad token", bad, false},
		{"a bad certificate", unknown, false},
		{"several, all of the credentials", utilerrors.NewAggregate([]error{bad, unknown}), false},
	} {
		if got := reviewFailed(test.err); got != test.want {
			t.Errorf("%s: failed = %v, want %v", test.reason, got, test.want)
		}
	}
}

// One failure of the API server is no failure of the caller's.
func TestQuestionsAreAskedAgain(t *testing.T) {
	for _, resource := range []string{"tokenreviews", "subjectaccessreviews"} {
		f := newReviewer(t)
		f.allow = func(string, authorizationv1.ResourceAttributes) bool { return true }
		failed := false
		f.fail = func(w http.ResponseWriter, asked string) bool {
			if failed || asked != resource {
				return false
			}
			failed = true
			apitest.AnswerError(w, apierrors.NewInternalError(errors.New("once")))
			return true
		}
		err := authorize(f.access(t), call(http.Header{"Authorization": {"Bearer good"}}), executeEcho)
		if err != nil || !failed {
			t.Errorf("%s: failed once: %v, then %v", resource, failed, err)
		}
	}
}

// Who asks for an execution must not learn of which template it is.
func TestARefusalDoesNotNameTheTemplateOfAnExecution(t *testing.T) {
	caller := &Caller{info: &user.DefaultInfo{Name: "alice"}, authorizer: answering(authorizer.DecisionDeny, nil)}
	refusal := func(template string) string {
		refused, ok := errors.AsType[*problem.Problem](caller.Authorize(t.Context(), Right{
			Verb: "get", Subresource: Executions, Namespace: "default", Template: template, Execution: "run",
		}))
		if !ok {
			t.Fatal("it is no refusal")
		}
		return refused.Detail
	}
	if known, unknown := refusal("secret"), refusal(""); known != unknown {
		t.Errorf("%q and %q", known, unknown)
	}
}
