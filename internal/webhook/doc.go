// Package webhook is Dispatcher's admission: it refuses JobTemplates that could never run and JobExecutions that would
// not render, and it fills in what an execution takes from its template.
//
// It holds only what OpenAPI and CEL in the CRDs cannot say. What renders, and how, is decided by internal/render, so
// that what was admitted is what the controller runs. It must never write: the one create that it sends is a dry-run,
// and whatever it is asked, it answers within the time that the API server waits.
package webhook
