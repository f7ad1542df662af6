package httpapi

import (
	"context"

	"github.com/go-logr/logr"

	"dispatcher.ivan.vc/internal/httpapi/access"
)

// accessReport logs at start who may call the HTTP API without credentials.
type accessReport struct {
	access  *access.Access
	options Options
	log     logr.Logger
}

// NeedLeaderElection makes every replica report, since each may have flags of its own.
func (*accessReport) NeedLeaderElection() bool { return false }

// Start logs whether anonymous callers may execute in every namespace: a right in one namespace cannot be known without
// asking about each.
func (m *accessReport) Start(ctx context.Context) error {
	open, err := m.access.AnonymousMayExecute(ctx)
	values := []any{"tls", m.options.tls(), "clientCertificates", m.options.ClientCAFile != ""}
	switch {
	case err != nil:
		m.log.Error(err, "could not ask whether anonymous callers may execute JobTemplates", values...)
	case open:
		m.log.Info("anonymous callers may execute every JobTemplate", values...)
	default:
		m.log.Info("anonymous callers may not execute JobTemplates, except those of a namespace that allows it", values...)
	}
	return nil
}
