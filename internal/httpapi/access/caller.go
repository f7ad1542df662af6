package access

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// Timeout bounds each authentication and each authorization.
const Timeout = 5 * time.Second

// Access authenticates the callers of the HTTP API and checks their permissions.
type Access struct {
	authenticator authenticator.Request
	authorizer    authorizer.Authorizer

	// audiences are those of which a token must have one, empty for those of the API server.
	audiences authenticator.Audiences
}

// New returns an Access that asks these two.
func New(who authenticator.Request, may authorizer.Authorizer) *Access {
	return &Access{authenticator: who, authorizer: may}
}

// Caller authenticates the sender of a request, who may be anonymous. It returns a problem for invalid credentials
// (401), and where the API server could not be asked (503). It removes the credentials from the request, so it must be
// called once.
func (a *Access) Caller(r *http.Request) (*Caller, error) {
	ctx, cancel := withTimeout(r.Context())
	defer cancel()
	return a.callerOf(ctx, r)
}

func (a *Access) callerOf(ctx context.Context, r *http.Request) (*Caller, error) {
	sent := r.Header.Values("Authorization")
	if len(sent) > 1 {
		return nil, problem.New(problem.Unauthorized, "the request has %d Authorization headers: send one", len(sent)).
			WithHeader("WWW-Authenticate", challenge)
	}
	if len(a.audiences) > 0 {
		ctx = authenticator.WithAudiences(ctx, a.audiences)
	}
	response, _, err := a.authenticator.AuthenticateRequest(r.WithContext(ctx))
	switch {
	case err != nil && (ctx.Err() != nil || reviewFailed(err)):
		return nil, unknown(err)
	case err != nil:
		return nil, problem.New(problem.Unauthorized, "the credentials are not valid").
			WithHeader("WWW-Authenticate", challengeInvalid).Because(withoutToken(err, sent))
	case len(sent) > 0 && response.User.GetName() == user.Anonymous:
		// Otherwise an expired token goes unnoticed until anonymous access is disabled. Passwords are refused the same way.
		return nil, problem.New(problem.Unauthorized, "the Authorization header holds no bearer token").
			WithHeader("WWW-Authenticate", challenge)
	}
	return &Caller{info: response.User, authorizer: a.authorizer}, nil
}

// AnonymousMayExecute tells whether anonymous callers may execute every JobTemplate of every namespace.
func (a *Access) AnonymousMayExecute(ctx context.Context) (bool, error) {
	anonymous := &Caller{
		info:       &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}},
		authorizer: a.authorizer,
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	return anonymous.has(ctx, Right{Verb: "create", Subresource: Executions})
}

// Caller is the authenticated or anonymous sender of a request.
type Caller struct {
	info       user.Info
	authorizer authorizer.Authorizer
}

// Name is the caller's user name.
func (c *Caller) Name() string { return c.info.GetName() }

// UID is the caller's, empty where the authenticator knows none.
func (c *Caller) UID() string { return c.info.GetUID() }

// Anonymous tells whether the caller sent no credentials.
func (c *Caller) Anonymous() bool { return c.Name() == user.Anonymous }

// Authorize returns nil if the caller has the right, else a problem: 401 for an anonymous caller, 403 for others, 503
// where the API server could not be asked. Answers are cached, so a second call costs little.
func (c *Caller) Authorize(ctx context.Context, need Right) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	return c.authorize(ctx, need)
}

// May tells whether the caller has the right. It returns a problem where the API server could not be asked.
func (c *Caller) May(ctx context.Context, need Right) (bool, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	allowed, err := c.has(ctx, need)
	if err != nil {
		return false, unknown(err)
	}
	return allowed, nil
}

func (c *Caller) authorize(ctx context.Context, need Right) error {
	allowed, err := c.has(ctx, need)
	switch {
	case err != nil:
		return unknown(err)
	case allowed:
		return nil
	case c.Anonymous():
		return problem.New(problem.Unauthorized, "anonymous callers cannot %s: send a bearer token", need).
			WithHeader("WWW-Authenticate", challenge)
	default:
		unless := ""
		if need.Execution != "" {
			unless = ", or there is no such execution"
		}
		return problem.New(problem.Forbidden, "user %q cannot %s%s: a RoleBinding has to grant it", c.Name(), need, unless)
	}
}

// has asks whether the caller has a right.
func (c *Caller) has(ctx context.Context, need Right) (bool, error) {
	decision, _, err := c.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User:            c.info,
		Verb:            need.Verb,
		APIGroup:        dispatcherv1alpha1.GroupVersion.Group,
		APIVersion:      dispatcherv1alpha1.GroupVersion.Version,
		Resource:        resource,
		Subresource:     need.Subresource,
		Namespace:       need.Namespace,
		Name:            need.Template,
		ResourceRequest: true,
	})
	return decision == authorizer.DecisionAllow, err
}

// withTimeout bounds a question. A caller that hangs up would look like an API server that is away, and questions are
// short, so they do not end with the request.
func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), Timeout)
}

// Challenges of a 401 (RFC 6750, section 3).
const (
	challenge        = `Bearer realm="dispatcher"`
	challengeInvalid = challenge + `, error="invalid_token"`
)

// withoutToken removes the token from an error that is logged: the API server may have quoted it.
func withoutToken(err error, sent []string) error {
	text := err.Error()
	for _, value := range sent {
		if _, token, _ := strings.Cut(strings.TrimSpace(value), " "); token != "" {
			text = strings.ReplaceAll(text, token, "...")
		}
	}
	return errors.New(text)
}

// unknown is for a question that the API server did not answer. It must not look like a refusal, and never allows
// anything.
func unknown(err error) *problem.Problem {
	if isOwnFault(err) {
		return problem.New(problem.Unavailable,
			"Dispatcher's own permission to ask the Kubernetes API server what you may do is missing: tell an administrator").
			Because(err)
	}
	return problem.New(problem.Unavailable,
		"the Kubernetes API server could not be asked what you may do: try again later").
		Because(err)
}

// isOwnFault tells whether the API server refused to answer Dispatcher.
func isOwnFault(err error) bool {
	if several, ok := errors.AsType[utilerrors.Aggregate](err); ok {
		return slices.ContainsFunc(several.Errors(), isOwnFault)
	}
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
}
