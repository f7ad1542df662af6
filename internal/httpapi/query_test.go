package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// deadlineRecorder knows until when its answer has to be taken.
type deadlineRecorder struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (r *deadlineRecorder) SetWriteDeadline(until time.Time) error {
	r.until = until
	return nil
}

// A refusal must not be much longer than its request, and its caller must read it as soon as other answers.
func TestRefusedQueriesAreShort(t *testing.T) {
	s := newFakeAPIServer(t).server(t, testOptions())
	var query strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&query, "%x&", i)
	}
	for path, limit := range map[string]int{
		"/executions/default/n?" + query.String(): 2 << 10,
		"/openapi.yaml": len(openAPIDocument),
	} {
		answer := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder()}
		s.http.Handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if length := answer.Body.Len(); length > limit {
			t.Errorf("%.30s: %d bytes", path, length)
		}
		latest := time.Now().Add(answerGrace + time.Duration(limit)*time.Second/minAnswerRate)
		if answer.until.IsZero() || answer.until.After(latest) {
			t.Errorf("%.30s: has to be taken until %v", path, answer.until)
		}
	}
}
