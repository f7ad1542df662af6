package webhook

import (
	"time"

	"dispatcher.ivan.vc/internal/webhook/server"
)

// The API server waits for timeoutSeconds (10 seconds, see the markers in setup.go) and then refuses the request
// without a reason. With these limits, the answer and its reason come first.
const (
	// admissionTimeout bounds everything that one request makes a webhook do.
	admissionTimeout = server.Timeout

	// renderTimeout bounds the renders of one request, so that there is time left to ask the API server. It includes
	// the time in which the request waits for its turn.
	renderTimeout = 4500 * time.Millisecond

	// cacheTimeout bounds a read of the cache. A cache that is in sync answers in microseconds; another one blocks.
	cacheTimeout = 250 * time.Millisecond

	// deletionTimeout bounds the search for unfinished executions. The API server waits 3 seconds for it.
	deletionTimeout = 2 * time.Second
)
