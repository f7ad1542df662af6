package faults

import (
	"context"
	"sync"
	"testing"
	"time"

	"dispatcher.ivan.vc/test/controlplane"
)

// replica is a manager that is started again when it ends, as a kubelet does.
type replica struct {
	*controlplane.Manager

	t      *testing.T
	name   string
	ledger *ledger

	mu       sync.Mutex
	life     int
	notUntil time.Time
	ready    bool
	killed   bool
}

// process is the present one, or the last.
func (r *replica) process() process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return process{r.name, r.life}
}

// kill ends the process without warning. The next one is started after a while.
func (r *replica) kill(pause time.Duration) {
	r.keepDown(pause)
	r.Kill()
}

func (r *replica) keepDown(pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notUntil, r.killed = time.Now().Add(pause), true
}

// supervise starts the process, again and again, until ctx ends. Once it was ready, nothing but the test may end it:
// neither an API server that does not answer nor a Lease that is lost.
func (r *replica) supervise(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		if r.Running() || !r.mayStart() {
			continue
		}
		// It ends by itself if the API server does not answer while it starts.
		err := r.Start(ctx)
		if err != nil {
			r.kill(time.Second)
		}
		r.mu.Lock()
		r.ready = err == nil
		r.mu.Unlock()
	}
}

// serves is true between the time when it was ready and its end.
func (r *replica) serves() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready && r.Running()
}

// mayStart says whether it is time for the next life, and counts it.
func (r *replica) mayStart() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.notUntil) {
		return false
	}
	if r.ready && !r.killed {
		r.t.Errorf("%s has ended by itself\n%s", process{r.name, r.life}, r.Output.Tail())
	}
	r.ledger.end(process{r.name, r.life})
	r.life++
	r.ready, r.killed = false, false
	return true
}

// leader returns the replica that leads, and nil if none does or it does not answer.
func leader(ctx context.Context, replicas []*replica) *replica {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	for _, r := range replicas {
		if leads, err := r.Metric(ctx, "leader_election_master_status", nil); err == nil && leads == 1 {
			return r
		}
	}
	return nil
}
