package httpapi

import (
	"net/http"
	"time"
)

// extendTimeouts gives a request that takes longer than others the time to do so, and to be answered afterwards. The
// time-out for reading is no matter: net/http lifts it when the request has been read.
func extendTimeouts(w http.ResponseWriter, wait time.Duration) {
	// A connection that cannot do this, which is one of a test, has no time-outs either.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + writeMargin))
}
