package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	authenticationv1client "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
)

// The metrics' filter asks in the same way, and needs the same.
//
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

const (
	// maxReviews is how often a question is asked where the API server fails or asks to come again.
	maxReviews = 3

	// reviewRetryDelay is the pause before the second time; then it doubles.
	reviewRetryDelay = 100 * time.Millisecond

	// tokenCacheTTL is how long the answer about a token is kept: one that was revoked or has expired is refused after
	// this time. It is that of Kubernetes' own aggregated API servers, as is the next.
	tokenCacheTTL = 10 * time.Second

	// allowCacheTTL is how long a right is kept that a caller has: one that was taken away is gone after this time.
	allowCacheTTL = 10 * time.Second

	// denyCacheTTL is how long a denial is cached. It is shorter, since a new permission is usually tried at once.
	denyCacheTTL = 2 * time.Second
)

// Credentials are those that callers may send.
type Credentials struct {
	// ClientCAs sign client certificates, nil where these are not accepted.
	ClientCAs dynamiccertificates.CAContentProvider

	// Audiences are the accepted audiences of tokens, empty for those of the API server. A stolen token for an audience
	// of ours cannot be used at the API server.
	Audiences []string
}

// NewDelegated returns an Access that asks the API server of config: it authenticates bearer tokens by TokenReview
// (client certificates are verified here) and authorizes by SubjectAccessReview. Answers are cached for a short time,
// so a frequent caller costs no request. No other header is trusted.
func NewDelegated(config *rest.Config, httpClient *http.Client, accepted Credentials) (*Access, error) {
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
		TokenAccessReviewTimeout:           Timeout,
		WebhookRetryBackoff:                &backoff,
		CacheTTL:                           tokenCacheTTL,
		ClientCertificateCAContentProvider: accepted.ClientCAs,
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
	delegated := New(who, may)
	delegated.audiences = accepted.Audiences
	return delegated, nil
}

// reviewFailed tells whether a TokenReview was not answered, or with an error. What it answers of a bad token, and what
// is wrong with a client certificate, are errors of other types.
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
