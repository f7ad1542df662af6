package problem

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Problem is an error whose detail and fields are meant for the caller. Its cause is for the log alone. The detail is
// not logged: it may quote the payload.
type Problem struct {
	Reason Reason

	// Detail is a sentence for people.
	Detail string

	// Fields says which fields are wrong, where that is known.
	Fields []Field

	// RetryAfterSeconds is when the caller may try again. 0 means that a retry is not expected to help.
	RetryAfterSeconds int

	// Header is what the answer has besides.
	Header http.Header

	cause error
}

// Field is one thing that is wrong, and where: a part of the request, or a path in the JobExecution or the JobTemplate.
type Field struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Defaults of Retry-After, in seconds.
const (
	// retryAfterBusy follows a 429. The API server's priority and fairness says 1, too.
	retryAfterBusy = 1

	// retryAfterUnavailable follows a 503: an API server or a webhook takes seconds to come back, not milliseconds.
	retryAfterUnavailable = 5
)

// New returns a problem with a detail for the caller. One that passes by itself has a default for when to come back.
func New(reason Reason, format string, args ...any) *Problem {
	p := &Problem{Reason: reason, Detail: fmt.Sprintf(format, args...)}
	switch reason {
	case TooManyRequests:
		p.RetryAfterSeconds = retryAfterBusy
	case Unavailable:
		p.RetryAfterSeconds = retryAfterUnavailable
	}
	return p
}

// Internal is all that a caller learns of a fault of Dispatcher.
func Internal(cause error) *Problem {
	return New(InternalError, "an internal error occurred; the log tells more under this request id").Because(cause)
}

// Because adds the cause, for the log.
func (p *Problem) Because(cause error) *Problem {
	p.cause = cause
	return p
}

// At adds a field that is wrong.
func (p *Problem) At(field, detail string) *Problem {
	p.Fields = append(p.Fields, Field{Field: field, Detail: detail})
	return p
}

// WithHeader adds a header to the answer.
func (p *Problem) WithHeader(name, value string) *Problem {
	if p.Header == nil {
		p.Header = http.Header{}
	}
	p.Header.Set(name, value)
	return p
}

// RetryAfter sets when the caller may come back. It changes nothing where seconds is 0 or less.
func (p *Problem) RetryAfter(seconds int) *Problem {
	if seconds > 0 {
		p.RetryAfterSeconds = seconds
	}
	return p
}

// Status is the status code of the answer.
func (p *Problem) Status() int {
	return statuses[p.Reason]
}

// Error is what the log has: the reason, the fields and the cause.
func (p *Problem) Error() string {
	text := []string{string(p.Reason)}
	for _, field := range p.Fields {
		text = append(text, field.Field)
	}
	if p.cause == nil {
		return strings.Join(text, " ")
	}
	return strings.Join(text, " ") + ": " + p.cause.Error()
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error {
	return p.cause
}

// Is tells whether err is a problem with this reason.
func Is(err error, reason Reason) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Reason == reason
}
