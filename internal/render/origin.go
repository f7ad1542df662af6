package render

import "context"

// Origins of renders. Renders that admission needs have an origin for each address that asks for a review: see
// WithOrigin.
const (
	OriginController = "controller"
	OriginHTTP       = "http"

	// OriginTemplates are the renders of templates that are stored already. Nobody waits for them, and all others come
	// first.
	OriginTemplates = "templates"

	OriginWebhook = "webhook/" // followed by the address
)

type originKey struct{}

// WithOrigin returns a context for renders that origin asks for. Origins take turns where renders have to wait.
func WithOrigin(ctx context.Context, origin string) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}

// Origin returns who asks for the renders of ctx, empty where that was not said.
func Origin(ctx context.Context) string {
	origin, _ := ctx.Value(originKey{}).(string)
	return origin
}
