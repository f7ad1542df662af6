package server

import (
	"slices"
	"strings"

	"github.com/go-logr/logr"
)

// Strangers can cause as many of these as they like, so they are logged as details and not as errors.

// faultsOfCallers are what controller-runtime logs as errors where a request is none that the API server sends.
var faultsOfCallers = []string{
	"bad request",
	"unable to read the body from the incoming request",
	"unable to read the body from the incoming request; limit reached",
	"unable to process a request with unknown content type",
	"unable to decode the request",
	"unable to encode and write the response", // The caller hung up.
	"still unable to encode and write the InternalServerError response",
}

// hookSink is the sink of the webhooks' log.
type hookSink struct{ logr.LogSink }

// Error logs an error, or a detail where the caller is at fault.
func (s hookSink) Error(err error, message string, values ...any) {
	if !slices.Contains(faultsOfCallers, message) {
		s.LogSink.Error(err, message, values...)
		return
	}
	if s.Enabled(1) {
		s.Info(1, message, append(values, "error", err.Error())...)
	}
}

// WithValues implements logr.LogSink.
func (s hookSink) WithValues(values ...any) logr.LogSink {
	return hookSink{s.LogSink.WithValues(values...)}
}

// WithName implements logr.LogSink.
func (s hookSink) WithName(name string) logr.LogSink { return hookSink{s.LogSink.WithName(name)} }

// connectionLog takes what net/http reports, such as handshakes that fail.
type connectionLog struct{ log logr.Logger }

func (l connectionLog) Write(line []byte) (int, error) {
	l.log.V(1).Info(strings.TrimSpace(string(line)))
	return len(line), nil
}
