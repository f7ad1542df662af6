// Package webhook is Dispatcher's admission: it refuses JobTemplates that could never run and JobExecutions that
// would not render, and it copies from the template what an execution inherits.
//
// It checks only what OpenAPI and CEL in the CRDs cannot express. internal/render decides what renders, so admission
// and the controller agree. This package must never write: it sends reads, access reviews and dry runs. It always
// answers before the API server stops waiting.
package webhook
