package httpapi

import (
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// observe gives every request its id and its record, and writes one access log line and the metrics when it ends.
func observe(log logr.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := newRecord(r)
		answer := &answer{ResponseWriter: w}
		answer.Header().Set("X-Request-Id", rec.requestID)
		answer.Header().Set("Cache-Control", "no-store") // The description alone may be stored.
		requestsInFlight.Inc()
		defer func() {
			requestsInFlight.Dec()
			duration := time.Since(rec.receivedAt)
			observeRequest(rec, r.Method, answer.code(), duration)
			logAccess(log, rec, r, answer, duration)
		}()
		next.ServeHTTP(answer, withRecord(r, rec))
	})
}

// logAccess writes the line of one request. Values are passed to the logger as values, so that a name or an id with a
// line break in it stays one value of one line.
func logAccess(log logr.Logger, rec *record, r *http.Request, answer *answer, duration time.Duration) {
	values := []any{
		"requestID", rec.requestID,
		"method", logged(r.Method),
		"route", rec.route,
		"path", logged(r.URL.EscapedPath()),
		"status", answer.code(),
		"bytes", answer.bytes,
		"duration", duration.String(),
		"remoteAddress", r.RemoteAddr,
	}
	if rec.namespace != "" {
		values = append(values, "namespace", logged(rec.namespace))
	}
	if rec.user != "" {
		values = append(values, "user", logged(rec.user))
	}
	if rec.template != "" {
		values = append(values, "jobTemplate", logged(rec.template))
	}
	if rec.execution != "" {
		values = append(values, "jobExecution", logged(rec.execution))
	}
	if rec.payload != nil {
		values = append(values, "payload", *rec.payload)
	}
	if rec.err != nil {
		values = append(values, "error", logged(rec.err.Error()))
	}
	log.Info("request", values...)
}

// logged is what the access log has of a text: its beginning, if it is long.
func logged(text string) string {
	if len(text) <= maxLoggedText {
		return text
	}
	return strings.ToValidUTF8(text[:maxLoggedText], "") + "..."
}

// recoverPanics turns a panic of a handler into a problem, so that one request cannot end the process or go unanswered.
func recoverPanics(log logr.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			log.Error(
				nil,
				"panic in a request",
				"requestID",
				recordOf(r).requestID,
				"panic",
				cause,
				"stack",
				string(debug.Stack()),
			)
			if answer, ok := w.(*answer); ok && answer.status != 0 {
				// Half an answer cannot be mended. net/http then closes the connection, so that the caller notices.
				panic(http.ErrAbortHandler)
			}
			problem.Write(w, recordOf(r).requestID, problem.Internal(nil))
		}()
		next.ServeHTTP(w, r)
	})
}

// answer remembers what was answered.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(body []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	written, err := a.ResponseWriter.Write(body)
	a.bytes += int64(written)
	return written, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter {
	return a.ResponseWriter
}

// code is the status that the caller gets: a handler that writes nothing answers 200.
func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}
