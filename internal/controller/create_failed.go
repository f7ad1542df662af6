package controller

import (
	"errors"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// failsAfter is the age from which an execution tells that its Job cannot be created because something fails.
const failsAfter = 10 * time.Second

// failingPrefix begins the message of an execution whose Job cannot be created because something fails.
const failingPrefix = "the API server cannot create the Job now: "

// failingError is an answer of an API server, or of a webhook that it calls, that does not work. The work queue
// retries it.
type failingError struct{ cause error }

func (e *failingError) Error() string { return e.cause.Error() }
func (e *failingError) Unwrap() error { return e.cause }

// createFailed returns the error for a Job that was neither created nor refused.
func createFailed(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return &failingError{cause: err}
	}
	return err
}

// failingStatus returns the status of an execution whose Job cannot be created because something fails. It tells so
// once, since each answer may have another text, and keeps what the status says of a refusal.
func failingStatus(
	execution *dispatcherv1alpha1.JobExecution, failing *failingError, now time.Time,
) dispatcherv1alpha1.JobExecutionStatus {
	last := execution.Summary()
	if now.Sub(execution.CreationTimestamp.Time) < failsAfter ||
		last.Reason != dispatcherv1alpha1.ReasonWaiting || strings.HasPrefix(last.Message, failingPrefix) {
		return execution.Status
	}
	return waitingStatus(execution, &retryableError{
		reason:  dispatcherv1alpha1.ReasonWaiting,
		message: failingPrefix + truncated(failing.cause.Error()) + "; it is retried",
	}, now)
}
