package problem

import (
	"maps"
	"net/http"
)

// Reason tells in one word why a request was refused. Callers may rely on these words.
type Reason string

const (
	// InvalidRequest means: the request itself is malformed: its names, its parameters, its body.
	InvalidRequest Reason = "InvalidRequest"

	// Unauthorized means: there are no credentials, or none that are valid, and anonymous callers may not do this.
	Unauthorized Reason = "Unauthorized"

	// Forbidden means: the caller lacks permission, or a quota or a policy of the cluster does not allow the execution.
	Forbidden Reason = "Forbidden"

	// CrossOrigin means: a web page of another origin sent a request that would change something.
	CrossOrigin Reason = "CrossOrigin"

	// HostNotAllowed means: the Host header names another host, which may be a web page's way around the same-origin
	// policy.
	HostNotAllowed Reason = "HostNotAllowed"

	// NotFound means: this API has no such path.
	NotFound Reason = "NotFound"

	// JobTemplateNotFound means: the namespace has no such JobTemplate.
	JobTemplateNotFound Reason = "JobTemplateNotFound"

	// ExecutionNotFound means: the namespace has no such JobExecution, or no longer.
	ExecutionNotFound Reason = "ExecutionNotFound"

	// LogsGone means: the execution has no log, or no longer: its pods were removed, or it ended without a Job.
	LogsGone Reason = "LogsGone"

	// NoLog means: there is no log yet, because the container that was asked for has not started.
	NoLog Reason = "NoLog"

	// NamespaceNotFound means: there is no such namespace.
	NamespaceNotFound Reason = "NamespaceNotFound"

	// MethodNotAllowed means: the path exists; the Allow header says what can be done with it.
	MethodNotAllowed Reason = "MethodNotAllowed"

	// NotAcceptable means: the Accept header has none of the supported media types.
	NotAcceptable Reason = "NotAcceptable"

	// RequestTimeout means: the body did not arrive in time.
	RequestTimeout Reason = "RequestTimeout"

	// NamespaceTerminating means: the namespace is being deleted, so nothing can be created in it.
	NamespaceTerminating Reason = "NamespaceTerminating"

	// AlreadyFinished means: the execution came to its end before it could be canceled.
	AlreadyFinished Reason = "AlreadyFinished"

	// Expired means: the list that a continue parameter is from is too old to go on with.
	Expired Reason = "Expired"

	// IdempotencyKeyConflict means: the name of the execution for the Idempotency-Key belongs to an execution that was not
	// created with it.
	IdempotencyKeyConflict Reason = "IdempotencyKeyConflict"

	// TemplateSuspended means: spec.suspend of the JobTemplate is true.
	TemplateSuspended Reason = "TemplateSuspended"

	// PayloadTooLarge means: the payload is over --max-payload-bytes, or over what the API server can store.
	PayloadTooLarge Reason = "PayloadTooLarge"

	// UnsupportedEncoding means: the body is compressed. Payloads are taken as they are sent.
	UnsupportedEncoding Reason = "UnsupportedEncoding"

	// Invalid means: admission refused the execution, most often because the template does not render with this payload.
	Invalid Reason = "Invalid"

	// IdempotencyKeyReused means: the Idempotency-Key came with another payload before.
	IdempotencyKeyReused Reason = "IdempotencyKeyReused"

	// TooManyRequests means: too many requests are being handled, or wait, or the API server is busy.
	TooManyRequests Reason = "TooManyRequests"

	// InternalError means: a fault of Dispatcher. The log has it under the request id.
	InternalError Reason = "InternalError"

	// Unavailable means: the API server, or the admission webhook that it calls, cannot be reached or is not ready.
	Unavailable Reason = "Unavailable"

	// Timeout means: the API server did not answer in time.
	Timeout Reason = "Timeout"
)

// statuses has the status code of every reason.
var statuses = map[Reason]int{
	InvalidRequest:         http.StatusBadRequest,
	Unauthorized:           http.StatusUnauthorized,
	Forbidden:              http.StatusForbidden,
	CrossOrigin:            http.StatusForbidden,
	HostNotAllowed:         http.StatusMisdirectedRequest,
	NotFound:               http.StatusNotFound,
	JobTemplateNotFound:    http.StatusNotFound,
	ExecutionNotFound:      http.StatusNotFound,
	LogsGone:               http.StatusNotFound,
	NoLog:                  http.StatusNotFound,
	NamespaceNotFound:      http.StatusNotFound,
	MethodNotAllowed:       http.StatusMethodNotAllowed,
	NotAcceptable:          http.StatusNotAcceptable,
	RequestTimeout:         http.StatusRequestTimeout,
	NamespaceTerminating:   http.StatusConflict,
	AlreadyFinished:        http.StatusConflict,
	Expired:                http.StatusGone,
	PayloadTooLarge:        http.StatusRequestEntityTooLarge,
	UnsupportedEncoding:    http.StatusUnsupportedMediaType,
	Invalid:                http.StatusUnprocessableEntity,
	TooManyRequests:        http.StatusTooManyRequests,
	InternalError:          http.StatusInternalServerError,
	Unavailable:            http.StatusServiceUnavailable,
	Timeout:                http.StatusGatewayTimeout,
	TemplateSuspended:      http.StatusConflict,
	IdempotencyKeyConflict: http.StatusConflict,
	IdempotencyKeyReused:   http.StatusUnprocessableEntity,
}

// Statuses returns the status code of every reason.
func Statuses() map[Reason]int {
	return maps.Clone(statuses)
}
