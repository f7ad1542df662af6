package controller

import (
	"errors"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// rejectedEvent begins the line that client-go logs for an event that the API server rejects.
const rejectedEvent = "Server rejected event"

// EventLog returns a logger for the event recorder of the manager. It is log, except that an event that was rejected
// because its namespace is being deleted is no error: nobody can read it soon.
func EventLog(log logr.Logger) logr.Logger { return log.WithSink(eventSink{log.GetSink()}) }

type eventSink struct{ logr.LogSink }

// Error implements logr.LogSink.
func (s eventSink) Error(err error, message string, values ...any) {
	const level = 1
	if !strings.HasPrefix(message, rejectedEvent) || !isOfTerminatingNamespace(err) {
		s.LogSink.Error(err, message, values...)
		return
	}
	if s.Enabled(level) {
		s.Info(level, message, append(values, "reason", err.Error())...)
	}
}

// WithName implements logr.LogSink.
func (s eventSink) WithName(name string) logr.LogSink { return eventSink{s.LogSink.WithName(name)} }

// WithValues implements logr.LogSink.
func (s eventSink) WithValues(values ...any) logr.LogSink {
	return eventSink{s.LogSink.WithValues(values...)}
}

// isOfTerminatingNamespace says whether a namespace is being deleted or is gone, whichever it is.
func isOfTerminatingNamespace(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Details != nil &&
		isNamespaceTerminating(err, status.Status().Details.Name)
}
