package httpapi

import (
	"fmt"
	"net/http"
	"strings"
)

// reason tells in one word why a request was refused. Callers may rely on these words.
type reason string

const (
	// reasonInvalidRequest: the request itself is malformed: its names, its parameters, its body.
	reasonInvalidRequest reason = "InvalidRequest"

	// reasonUnauthorized: there are no credentials, or none that are valid, and anonymous callers may not do this.
	reasonUnauthorized reason = "Unauthorized"

	// reasonForbidden: the caller has not the right, or a quota or a policy of the cluster does not allow the execution.
	reasonForbidden reason = "Forbidden"

	// reasonNotFound: this API has no such path.
	reasonNotFound reason = "NotFound"

	// reasonJobTemplateNotFound: the namespace has no such JobTemplate.
	reasonJobTemplateNotFound reason = "JobTemplateNotFound"

	// reasonExecutionNotFound: the namespace has no such JobExecution, or no longer.
	reasonExecutionNotFound reason = "ExecutionNotFound"

	// reasonLogsGone: the execution has no log, or no longer: its pods were removed, or it ended without a Job.
	reasonLogsGone reason = "LogsGone"

	// reasonNamespaceNotFound: there is no such namespace.
	reasonNamespaceNotFound reason = "NamespaceNotFound"

	// reasonMethodNotAllowed: the path exists; the Allow header says what can be done with it.
	reasonMethodNotAllowed reason = "MethodNotAllowed"

	// reasonNotAcceptable: the answer cannot be had in a form that the Accept header admits.
	reasonNotAcceptable reason = "NotAcceptable"

	// reasonRequestTimeout: the body did not arrive in time.
	reasonRequestTimeout reason = "RequestTimeout"

	// reasonNamespaceTerminating: the namespace is being deleted, so nothing can be created in it.
	reasonNamespaceTerminating reason = "NamespaceTerminating"

	// reasonAlreadyFinished: the execution came to its end before it could be canceled.
	reasonAlreadyFinished reason = "AlreadyFinished"

	// reasonExpired: the list that a continue parameter is from is too old to go on with.
	reasonExpired reason = "Expired"

	// reasonJobNameConflict: the template gives its Job a name that a Job has already.
	reasonJobNameConflict reason = "JobNameConflict"

	// reasonIdempotencyKeyConflict: the name that the Idempotency-Key stands for belongs to an execution that was not
	// created with it.
	reasonIdempotencyKeyConflict reason = "IdempotencyKeyConflict"

	// reasonPayloadTooLarge: the payload is over --max-payload-bytes, or over what the API server can store.
	reasonPayloadTooLarge reason = "PayloadTooLarge"

	// reasonUnsupportedEncoding: the body is compressed. Payloads are taken as they are sent.
	reasonUnsupportedEncoding reason = "UnsupportedEncoding"

	// reasonInvalid: admission refused the execution, most often because the template does not render with this payload.
	reasonInvalid reason = "Invalid"

	// reasonIdempotencyKeyReused: the Idempotency-Key came with another payload before.
	reasonIdempotencyKeyReused reason = "IdempotencyKeyReused"

	// reasonTooManyRequests: too many requests are being handled, or wait, or the API server is busy.
	reasonTooManyRequests reason = "TooManyRequests"

	// reasonInternalError: a fault of Dispatcher. The log has it under the request id.
	reasonInternalError reason = "InternalError"

	// reasonUnavailable: the API server, or the admission webhook that it calls, cannot be reached or is not ready.
	reasonUnavailable reason = "Unavailable"

	// reasonTimeout: the API server did not answer in time.
	reasonTimeout reason = "Timeout"
)

// statuses is the one place where a reason becomes a status code.
var statuses = map[reason]int{
	reasonInvalidRequest:         http.StatusBadRequest,
	reasonUnauthorized:           http.StatusUnauthorized,
	reasonForbidden:              http.StatusForbidden,
	reasonNotFound:               http.StatusNotFound,
	reasonJobTemplateNotFound:    http.StatusNotFound,
	reasonExecutionNotFound:      http.StatusNotFound,
	reasonLogsGone:               http.StatusNotFound,
	reasonNamespaceNotFound:      http.StatusNotFound,
	reasonMethodNotAllowed:       http.StatusMethodNotAllowed,
	reasonNotAcceptable:          http.StatusNotAcceptable,
	reasonRequestTimeout:         http.StatusRequestTimeout,
	reasonNamespaceTerminating:   http.StatusConflict,
	reasonAlreadyFinished:        http.StatusConflict,
	reasonExpired:                http.StatusGone,
	reasonPayloadTooLarge:        http.StatusRequestEntityTooLarge,
	reasonUnsupportedEncoding:    http.StatusUnsupportedMediaType,
	reasonInvalid:                http.StatusUnprocessableEntity,
	reasonTooManyRequests:        http.StatusTooManyRequests,
	reasonInternalError:          http.StatusInternalServerError,
	reasonUnavailable:            http.StatusServiceUnavailable,
	reasonTimeout:                http.StatusGatewayTimeout,
	reasonJobNameConflict:        http.StatusConflict,
	reasonIdempotencyKeyConflict: http.StatusConflict,
	reasonIdempotencyKeyReused:   http.StatusUnprocessableEntity,
}

// refusal is an error whose detail and field errors are meant for the caller. Its cause is for the log alone: what the
// caller is told may quote the payload, which must not be logged, and the caller has it.
type refusal struct {
	reason            reason
	detail            string
	errors            []fieldError
	retryAfterSeconds int
	header            http.Header
	cause             error
}

// refuse returns a refusal with a detail for the caller.
func refuse(why reason, format string, args ...any) *refusal {
	return &refusal{reason: why, detail: fmt.Sprintf(format, args...)}
}

// because adds the cause, for the log.
func (r *refusal) because(cause error) *refusal {
	r.cause = cause
	return r
}

// at adds a field that is wrong.
func (r *refusal) at(field, detail string) {
	r.errors = append(r.errors, fieldError{Field: field, Detail: detail})
}

// with adds a header to the answer.
func (r *refusal) with(name, value string) *refusal {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(name, value)
	return r
}

// retryAfter tells the caller when to come back: after the given time, or where that is 0, after fallback.
func (r *refusal) retryAfter(seconds, fallback int) *refusal {
	r.retryAfterSeconds = seconds
	if seconds <= 0 {
		r.retryAfterSeconds = fallback
	}
	return r
}

func (r *refusal) status() int {
	return statuses[r.reason]
}

// Error is the refusal as the log has it: the reason, the fields and the cause.
func (r *refusal) Error() string {
	text := []string{string(r.reason)}
	for _, wrong := range r.errors {
		text = append(text, wrong.Field)
	}
	if r.cause == nil {
		return strings.Join(text, " ")
	}
	return strings.Join(text, " ") + ": " + r.cause.Error()
}

// Unwrap returns the cause.
func (r *refusal) Unwrap() error {
	return r.cause
}
