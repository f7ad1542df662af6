package httpapi

import (
	"context"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/authentication/user"
)

// accessMode tells an operator at start how open the HTTP API is.
type accessMode struct {
	access  *delegatedAccess
	options Options
	log     logr.Logger
}

// NeedLeaderElection makes every replica report, since each may have flags of its own.
func (*accessMode) NeedLeaderElection() bool { return false }

// Start logs who may execute without credentials, in every namespace: a right in one namespace cannot be known without
// asking about each.
func (m *accessMode) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	anonymous := &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}
	open, err := m.access.allows(ctx, anonymous, right{verb: "create", subresource: subresourceExecutions})
	values := []any{"tls", m.options.tls(), "clientCertificates", m.options.ClientCAFile != ""}
	switch {
	case err != nil:
		m.log.Error(err, "could not ask whether anonymous callers may execute JobTemplates", values...)
	case open:
		m.log.Info("anonymous callers may execute every JobTemplate", values...)
	default:
		m.log.Info("anonymous callers may not execute JobTemplates, but for those of a namespace that allows it", values...)
	}
	return nil
}
