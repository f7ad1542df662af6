// Package identity notices when the API server no longer accepts this process's own credentials. It looks at the
// answers to the requests that are made anyway, and must not make any itself.
package identity

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Limit is for how long the API server may answer every request with 401. While an API server starts, it may do so for
// some seconds.
const Limit = 5 * time.Minute

// Watch remembers since when the API server answers every request with 401.
type Watch struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	since time.Time // Zero if it accepted the last request that it answered.
}

// NewWatch returns a Watch of a process whose credentials are accepted.
func NewWatch(clock clock.PassiveClock) *Watch { return &Watch{clock: clock} }

// Wrap returns a transport that tells the Watch of the answers. It is a transport.WrapperFunc of client-go.
func (w *Watch) Wrap(next http.RoundTripper) http.RoundTripper { return &watched{next: next, watch: w} }

// Check fails if the API server has answered nothing but 401 for longer than Limit. It is a healthz.Checker.
func (w *Watch) Check(*http.Request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() || w.clock.Since(w.since) < Limit {
		return nil
	}
	return errors.New("the API server does not accept the token of Dispatcher's ServiceAccount")
}

func (w *Watch) answered(code int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case code != http.StatusUnauthorized:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = w.clock.Now()
	}
}

// watched is a transport whose answers a Watch sees.
type watched struct {
	next  http.RoundTripper
	watch *Watch
}

// RoundTrip implements http.RoundTripper.
func (t *watched) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if err == nil {
		t.watch.answered(response.StatusCode)
	}
	return response, err
}

// WrappedRoundTripper lets client-go find the transport below, whose idle connections it closes.
func (t *watched) WrappedRoundTripper() http.RoundTripper { return t.next }
