package webhook

import (
	"context"

	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// renderContext returns a context for a render of ctx's request: within its share of the time, and on behalf of the
// address that the request came from. Strangers may reach the webhooks, and name any namespace in what they send.
func renderContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(render.WithOrigin(ctx, render.OriginWebhook+server.Address(ctx)), renderTimeout)
}
