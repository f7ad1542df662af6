package controller

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// RenewDeadline is how long a leader may act after it last began to renew its Lease, and how long its elector tries to.
// The others wait for LeaseDuration, 15 s, so that what is written in the last moment has five seconds to arrive.
const RenewDeadline = 10 * time.Second

// Lease knows for how long this process leads. Being elected is not enough: a process that was stopped for longer than a
// Lease lasts, as on a machine that was suspended or starved, goes on where it was. Until its elector gets to run, it
// believes to lead, while another does: it would run executions again that the other has run and removed, and end
// those that the other runs. So what must happen once asks the Lease at the last moment before it is written.
//
// Nothing but a condition that the API server checks could close the moment between the question and the write.
type Lease struct {
	clock   clock.PassiveClock
	renewed atomic.Pointer[time.Time] // when the last renewal that succeeded was sent
}

// NewLease returns the Lease of a process that has not been elected yet.
func NewLease() *Lease { return &Lease{clock: clock.RealClock{}} }

// ElectionConfig returns a configuration like this one, for leader election: the Lease notes what is written with it.
func (l *Lease) ElectionConfig(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &leaseTransport{lease: l, next: next} })
	return config
}

// held returns an error unless this process is certain to lead. A nil Lease is that of a process that has no rivals.
func (l *Lease) held() error {
	if l == nil {
		return nil
	}
	renewed := l.renewed.Load()
	if renewed == nil {
		return fmt.Errorf("not the leader: its Lease was never renewed")
	}
	now := l.clock.Now()
	// The monotonic clock stands still while the machine is suspended, and the wall clock may be set back.
	age := max(now.Sub(*renewed), now.Round(0).Sub(renewed.Round(0)))
	if age >= RenewDeadline {
		return fmt.Errorf("perhaps not the leader any more: its Lease was renewed %v ago, and has to be within %v", age.Round(time.Millisecond), RenewDeadline)
	}
	return nil
}

// leaseTransport notes when Leases are written.
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
