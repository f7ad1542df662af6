package httpapi

import (
	"net/http"
	"time"
)

// expectReader gives the caller the time to take an answer, at a rate that is not too slow.
func expectReader(w http.ResponseWriter, size int) {
	until := time.Now().Add(answerGrace + time.Duration(size)*time.Second/minAnswerRate)
	_ = http.NewResponseController(w).SetWriteDeadline(until)
}

// rest lifts the time-out for writing while a stream is silent: one that passes resets a stream of HTTP/2, also while
// nothing is written.
func rest(connection *http.ResponseController) {
	_ = connection.SetWriteDeadline(time.Time{})
}

// extendTimeouts gives a request that takes longer than others the time to do so, and to be answered afterwards. The
// time-out for reading is no matter: net/http lifts it when the request has been read.
func extendTimeouts(w http.ResponseWriter, wait time.Duration) {
	// A connection that cannot do this, which is one of a test, has no time-outs either.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + writeMargin))
}
