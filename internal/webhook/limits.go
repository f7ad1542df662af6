package webhook

import "time"

// The API server waits timeoutSeconds for an answer (10 seconds, see the markers in setup.go) and then refuses the
// request without a reason. These keep the answer, and its reason, ahead of that.
const (
	// admissionTimeout bounds all that one request makes a webhook do.
	admissionTimeout = 8 * time.Second

	// renderTimeout bounds the renders of one request, so that time is left to ask the API server. One render meets
	// the renderer's own limits earlier; a template without samplePayload may take several.
	renderTimeout = 4 * time.Second

	// cacheTimeout bounds a read of the cache: one that is in sync answers in microseconds, one that is not blocks.
	cacheTimeout = 250 * time.Millisecond

	// deletionTimeout bounds the look for unfinished executions, whose webhook has 3 seconds.
	deletionTimeout = 2 * time.Second
)
