package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// problem is the body of every answer that is not a success: a problem details object of RFC 9457. Its type is
// about:blank, so its title is the phrase of the status code; reason, requestId and errors are extension members.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`

	// Reason is a word for programs, one of the constants of type reason.
	Reason reason `json:"reason"`

	// Detail is a sentence for people.
	Detail string `json:"detail,omitempty"`

	// RequestID is the X-Request-Id of the answer, under which the log tells more.
	RequestID string `json:"requestId,omitempty"`

	// Errors says which fields are wrong, where that is known.
	Errors []fieldError `json:"errors,omitempty"`
}

// fieldError is one thing that is wrong, and where: a part of the request, or a path in the JobExecution or the
// JobTemplate.
type fieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// writeProblem answers with a refusal.
func writeProblem(w http.ResponseWriter, r *http.Request, refused *refusal) {
	status := refused.status()
	header := w.Header()
	maps.Copy(header, refused.header)
	if refused.retryAfterSeconds > 0 {
		header.Set("Retry-After", strconv.Itoa(refused.retryAfterSeconds))
	}
	writeJSON(w, "application/problem+json", status, problem{
		Type:      "about:blank",
		Title:     http.StatusText(status),
		Status:    status,
		Reason:    refused.reason,
		Detail:    refused.detail,
		RequestID: recordOf(r).requestID,
		Errors:    refused.errors,
	})
}

// writeJSON answers with body. What cannot be written any more, because the caller is gone, is not an error of ours.
func writeJSON(w http.ResponseWriter, contentType string, status int, body any) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
