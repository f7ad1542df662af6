package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	authenticationv1client "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// The metrics' filter asks in the same way, and needs the same.
//
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// delegatedAccess lets the API server say who a caller is (TokenReview, for bearer tokens; client certificates it checks
// itself) and what the caller may (SubjectAccessReview). Answers are kept for a short time, so a caller that comes often costs
// no request. Nothing else that a request says of its sender is believed.
type delegatedAccess struct {
	authenticator authenticator.Request
	authorizer    authorizer.Authorizer
}

// newDelegatedAccess returns the access that the API server of config decides on. clientCAs is nil where no client
// certificates are taken.
func newDelegatedAccess(config *rest.Config, httpClient *http.Client, clientCAs dynamiccertificates.CAContentProvider) (*delegatedAccess, error) {
	tokens, err := authenticationv1client.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("building a client for TokenReviews: %w", err)
	}
	reviews, err := authorizationv1client.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("building a client for SubjectAccessReviews: %w", err)
	}
	backoff := wait.Backoff{Duration: reviewRetryDelay, Factor: 2, Jitter: 0.2, Steps: maxReviews}
	who, _, err := authenticatorfactory.DelegatingAuthenticatorConfig{
		Anonymous:                          &apiserver.AnonymousAuthConfig{Enabled: true},
		TokenAccessReviewClient:            tokens,
		TokenAccessReviewTimeout:           accessTimeout,
		WebhookRetryBackoff:                &backoff,
		CacheTTL:                           tokenCacheTTL,
		ClientCertificateCAContentProvider: clientCAs,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("building the authentication: %w", err)
	}
	may, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: reviews,
		AllowCacheTTL:             allowCacheTTL,
		DenyCacheTTL:              denyCacheTTL,
		WebhookRetryBackoff:       &backoff,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("building the authorization: %w", err)
	}
	return &delegatedAccess{authenticator: who, authorizer: may}, nil
}

// authorize implements access.
func (a *delegatedAccess) authorize(r *http.Request, need right) error {
	ctx, cancel := a.deadline(r)
	defer cancel()
	caller, err := a.authenticate(ctx, r)
	if err != nil {
		return err
	}
	return a.check(ctx, caller, need)
}

// authorizeAbsent implements access.
func (a *delegatedAccess) authorizeAbsent(r *http.Request, need right) error {
	ctx, cancel := a.deadline(r)
	defer cancel()
	caller, err := a.authenticate(ctx, r)
	if err != nil || caller.GetName() != user.Anonymous {
		return err
	}
	need.template = ""
	return a.check(ctx, caller, need)
}

// deadline bounds what a request may take. A caller that hangs up would look like an API server that is away, and the
// questions are short.
func (a *delegatedAccess) deadline(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), accessTimeout)
}

// check returns nil if the caller has the right, else a refusal.
func (a *delegatedAccess) check(ctx context.Context, caller user.Info, need right) error {
	allowed, err := a.allows(ctx, caller, need)
	switch {
	case err != nil:
		return accessUnknown(err)
	case allowed:
		return nil
	case caller.GetName() == user.Anonymous:
		return refuse(reasonUnauthorized, "without credentials nobody can %s: send a bearer token", need).
			with("WWW-Authenticate", challenge)
	default:
		return refuse(reasonForbidden, "user %q cannot %s: a RoleBinding has to grant it", caller.GetName(), need)
	}
}

// authenticate returns who sent a request. It asks once per request, and must: a token that was found good is taken out of
// the header.
func (a *delegatedAccess) authenticate(ctx context.Context, r *http.Request) (user.Info, error) {
	rec := recordOf(r)
	if rec.caller != nil {
		return rec.caller, nil
	}
	sent := r.Header.Values("Authorization")
	if len(sent) > 1 {
		return nil, refuse(reasonUnauthorized, "the request has %d Authorization headers: send one", len(sent)).with("WWW-Authenticate", challenge)
	}
	response, _, err := a.authenticator.AuthenticateRequest(r.WithContext(ctx))
	switch {
	case err != nil && (ctx.Err() != nil || reviewFailed(err)):
		return nil, accessUnknown(err)
	case err != nil:
		return nil, refuse(reasonUnauthorized, "the credentials are not valid").
			with("WWW-Authenticate", challengeInvalid).because(withoutToken(err, sent))
	case len(sent) > 0 && response.User.GetName() == user.Anonymous:
		// To take the caller for an anonymous one would leave a mistake unnoticed for as long as those may do the same.
		return nil, refuse(reasonUnauthorized, "the Authorization header holds no bearer token").with("WWW-Authenticate", challenge)
	}
	rec.caller = response.User
	return rec.caller, nil
}

// allows asks whether a user has a right.
func (a *delegatedAccess) allows(ctx context.Context, who user.Info, need right) (bool, error) {
	decision, _, err := a.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User:            who,
		Verb:            need.verb,
		APIGroup:        dispatcherv1alpha1.GroupVersion.Group,
		APIVersion:      dispatcherv1alpha1.GroupVersion.Version,
		Resource:        resourceJobTemplates,
		Subresource:     need.subresource,
		Namespace:       need.namespace,
		Name:            need.template,
		ResourceRequest: true,
	})
	return decision == authorizer.DecisionAllow, err
}

// Challenges of a 401 (RFC 6750, section 3).
const (
	challenge        = `Bearer realm="dispatcher"`
	challengeInvalid = challenge + `, error="invalid_token"`
)

// withoutToken is why a token is not valid, to be logged. Whoever says so may have quoted the token.
func withoutToken(err error, sent []string) error {
	text := err.Error()
	for _, value := range sent {
		if _, token, _ := strings.Cut(strings.TrimSpace(value), " "); token != "" {
			text = strings.ReplaceAll(text, token, "...")
		}
	}
	return errors.New(text)
}

// accessUnknown is for when nobody could be asked. It must not pass for a refusal, and never for a permission.
func accessUnknown(err error) *refusal {
	return refuse(reasonUnavailable, "the Kubernetes API server could not be asked what you may do: try again later").
		retryAfter(0, retryAfterUnavailable).because(err)
}

// reviewFailed tells whether a TokenReview was not answered, or with an error. What it answers of a bad token, and what is
// wrong with a client certificate, are errors of other types.
func reviewFailed(err error) bool {
	if several, ok := errors.AsType[utilerrors.Aggregate](err); ok {
		return slices.ContainsFunc(several.Errors(), reviewFailed)
	}
	var status apierrors.APIStatus
	var call *url.Error
	var network net.Error
	return errors.As(err, &status) || errors.As(err, &call) || errors.As(err, &network) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
