package leader

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// RenewDeadline is for how long a leader may act after it last began to renew its Lease, and for how long its elector
// tries to renew it. Other replicas wait for the LeaseDuration, 15 s, so that a write of the last moment has five
// seconds to arrive.
const RenewDeadline = 10 * time.Second

// Lease knows for how long this process leads. To be elected is not enough: a process that was stopped for longer than
// a Lease lasts, for example on a machine that was suspended, continues where it was. Until its elector runs, it still
// believes that it leads, while another replica does. It would then run executions again that the other one has run and
// deleted, and finish those that the other one runs. Therefore every write that must happen only once is preceded by
// Check.
//
// Only a condition that the API server checks could close the gap between Check and the write.
type Lease struct {
	clock   clock.PassiveClock
	renewed atomic.Pointer[time.Time] // when the last successful renewal was sent
}

// NewLease returns the Lease of a process that has not been elected yet.
func NewLease() *Lease { return &Lease{clock: clock.RealClock{}} }

// ElectionConfig returns a copy of config for leader election. The Lease notes what is written with it.
func (l *Lease) ElectionConfig(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &leaseTransport{lease: l, next: next} })
	return config
}

// Check returns an error unless this process is certain to lead. It always does if the Lease is nil, for a process that
// has no other replicas.
func (l *Lease) Check() error {
	if l == nil {
		return nil
	}
	renewed := l.renewed.Load()
	if renewed == nil {
		return errors.New("not the leader: the Lease was never acquired")
	}
	now := l.clock.Now()
	// The monotonic clock stops while the machine is suspended, and the wall clock may be set back.
	age := max(now.Sub(*renewed), now.Round(0).Sub(renewed.Round(0)))
	if age >= RenewDeadline {
		return fmt.Errorf("possibly no longer the leader: the Lease was renewed %v ago, more than %v", age.Round(time.Millisecond), RenewDeadline)
	}
	return nil
}

// leaseTransport notes when the Lease is written.
type leaseTransport struct {
	lease *Lease
	next  http.RoundTripper
}

func (t *leaseTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := t.lease.clock.Now()
	response, err := t.next.RoundTrip(request)
	writes := request.Method != http.MethodGet && strings.Contains(request.URL.Path, "/leases")
	if err == nil && writes && response.StatusCode < http.StatusMultipleChoices {
		t.lease.renewed.Store(&sent)
	}
	return response, err
}
