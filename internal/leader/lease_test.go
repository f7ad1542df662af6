package leader

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
)

// roundTripper is a transport that is a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// A process leads until RenewDeadline after the request that wrote its Lease was sent: nobody else can have acquired it
// by then.
func TestLease(t *testing.T) {
	const lease, event = "/apis/coordination.k8s.io/v1/namespaces/x/leases/y", "/api/v1/namespaces/x/events"
	for _, test := range []struct {
		reason       string
		method, path string
		took         time.Duration
		status       int // 0 for an error
		later        time.Duration
		held         bool
	}{
		{"acquired", http.MethodPost, lease, 0, 201, time.Second, true},
		{"renewed", http.MethodPut, lease, 0, 200, 9 * time.Second, true},
		{"renewed too long ago", http.MethodPut, lease, 0, 200, 10 * time.Second, false},
		{"renewed by a request that took long", http.MethodPut, lease, 4 * time.Second, 200, 6 * time.Second, false},
		{"taken by another", http.MethodPut, lease, 0, 409, 0, false},
		{"not answered", http.MethodPut, lease, 0, 0, 0, false},
		{"only read", http.MethodGet, lease, 0, 200, 0, false},
		{"something else is written", http.MethodPost, event, 0, 201, 0, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(time.Date(2030, time.March, 4, 5, 6, 7, 0, time.UTC))
			l := &Lease{clock: clock}
			config := l.ElectionConfig(&rest.Config{Host: "http://127.0.0.1"})
			transport := config.WrapTransport(roundTripper(func(*http.Request) (*http.Response, error) {
				clock.SetTime(clock.Now().Add(test.took))
				if test.status == 0 {
					return nil, errors.New("no answer")
				}
				return &http.Response{StatusCode: test.status, Body: http.NoBody}, nil
			}))
			request, err := http.NewRequestWithContext(t.Context(), test.method, config.Host+test.path, strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			response, err := transport.RoundTrip(request)
			if err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
			clock.SetTime(clock.Now().Add(test.later))
			if err := l.Check(); (err == nil) != test.held {
				t.Errorf("Check: %v, want nil: %v", err, test.held)
			}
		})
	}
}
