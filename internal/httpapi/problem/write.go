package problem

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// MediaType is that of a problem in JSON.
const MediaType = "application/problem+json"

// Body is the body of every answer that is not a success: a problem details object of RFC 9457. Its type is
// about:blank, so its title is the phrase of the status code; reason, requestId and errors are extension members.
type Body struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`

	// Reason is a word for programs.
	Reason Reason `json:"reason"`

	// Detail is a sentence for people.
	Detail string `json:"detail,omitempty"`

	// RequestID is the X-Request-Id of the answer, under which the log tells more.
	RequestID string `json:"requestId,omitempty"`

	// Errors says which fields are wrong, where that is known.
	Errors []Field `json:"errors,omitempty"`
}

// Write answers with a problem.
func Write(w http.ResponseWriter, requestID string, p *Problem) {
	header := w.Header()
	maps.Copy(header, p.Header)
	if p.RetryAfterSeconds > 0 {
		header.Set("Retry-After", strconv.Itoa(p.RetryAfterSeconds))
	}
	header.Set("Content-Type", MediaType)
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status())
	// What cannot be written any more, because the caller is gone, is not an error of ours.
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(Body{
		Type:      "about:blank",
		Title:     http.StatusText(p.Status()),
		Status:    p.Status(),
		Reason:    p.Reason,
		Detail:    p.Detail,
		RequestID: requestID,
		Errors:    p.Fields,
	})
}
