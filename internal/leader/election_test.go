package leader

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
)

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// object is a Lease on the API server.
type object struct {
	mu      sync.Mutex
	record  *resourcelock.LeaderElectionRecord
	version int
}

// candidate is a client of the object, with the version that it read or wrote last.
type candidate struct {
	*object
	name    string
	version int
	failing error // What requests end with, if set. Guarded by object.mu, like failed.
	failed  int   // How many requests have ended so.
	// meanwhile is what somebody else does to the object before the next update arrives, if set.
	meanwhile func()
}

func (c *candidate) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case c.failing != nil:
		c.failed++
		return nil, nil, c.failing
	case c.record == nil:
		return nil, nil, apierrors.NewNotFound(leases, "x")
	}
	c.version = c.object.version
	raw, err := json.Marshal(c.record)
	record := *c.record
	return &record, bytes.Clone(raw), err
}

func (c *candidate) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.store(ctx, record, true)
}

func (c *candidate) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if do := c.meanwhile; do != nil {
		c.meanwhile = nil
		do()
	}
	return c.store(ctx, record, false)
}

func (c *candidate) store(ctx context.Context, record resourcelock.LeaderElectionRecord, create bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.failing != nil:
		return c.failing
	case create && c.record != nil:
		return apierrors.NewAlreadyExists(leases, "x")
	case !create && c.record == nil:
		return apierrors.NewNotFound(leases, "x")
	case !create && c.version != c.object.version:
		return apierrors.NewConflict(leases, "x", errors.New("the object has changed"))
	}
	c.set(&record)
	c.version = c.object.version
	return nil
}

func (c *candidate) RecordEvent(string) {}
func (c *candidate) Identity() string   { return c.name }
func (c *candidate) Describe() string   { return "x" }

func (c *candidate) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = err
}

// set replaces the record. The caller holds the lock.
func (o *object) set(record *resourcelock.LeaderElectionRecord) {
	o.record = record
	o.version++
}

// take makes somebody else the holder, as an administrator could.
func (o *object) take(holder string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := metav1.Now()
	o.set(&resourcelock.LeaderElectionRecord{
		HolderIdentity: holder, LeaseDurationSeconds: 1, AcquireTime: now, RenewTime: now,
	})
}

func (o *object) holder() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.record == nil {
		return ""
	}
	return o.record.HolderIdentity
}

func wait[T any](t *testing.T, happened <-chan T, what string) {
	t.Helper()
	select {
	case <-happened:
	case <-time.After(time.Minute):
		t.Fatalf("waiting in vain for %s", what)
	}
}

// replica is a process that takes part in the election.
type replica struct {
	*candidate
	lease *Lease
	stop  context.CancelFunc
	ended chan error
}

// long is a deadline that no machine is too slow for.
const long = time.Hour

// start starts a replica.
func start(t *testing.T, o *object, name string, deadline time.Duration) *replica {
	t.Helper()
	return startFit(t, o, name, deadline, nil)
}

func startFit(t *testing.T, o *object, name string, deadline time.Duration, fit func() error) *replica {
	t.Helper()
	lease := NewLease(clock.RealClock{})
	lease.deadline = deadline
	r := &replica{candidate: &candidate{object: o, name: name}, lease: lease, ended: make(chan error, 1)}
	election := &Election{
		name: "x", lock: r.candidate, lease: lease, fit: fit, unfitLimit: 10 * time.Millisecond,
		leaseDuration: deadline + time.Second, retryPeriod: 20 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	t.Cleanup(cancel)
	go func() { r.ended <- election.Start(ctx) }()
	return r
}

// lead waits until the replica leads, and begins a piece of work.
func (r *replica) lead(t *testing.T) *Term {
	t.Helper()
	for {
		wait(t, r.lease.Won(), "a term of "+r.name)
		if term := r.lease.Begin(); term != nil {
			return term
		}
	}
}

// Whatever takes the Lease away, the replica stays in the election, and its next term is not the one before.
func TestLosingTheLeaseEndsTheTermOnly(t *testing.T) {
	for _, test := range []struct {
		reason   string
		deadline time.Duration
		disturb  func(*replica)
		noticed  func(*replica) bool // Whether the elector has noticed it.
	}{
		{"somebody else holds it", long, func(r *replica) { r.take("thief") }, func(*replica) bool { return true }},
		{"the API server does not answer", 100 * time.Millisecond, func(r *replica) { r.fail(errors.New("no answer")) }, func(r *replica) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.failed > 20 // It gives up after 100 ms of tries every 20 ms.
		}},
		{"it was deleted", long, func(r *replica) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.set(nil)
		}, func(*replica) bool { return true }},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			r := start(t, &object{}, "a", test.deadline)
			first := r.lead(t)
			first.End()
			test.disturb(r)
			for first.Check() == nil || !test.noticed(r) {
				select {
				case <-time.After(10 * time.Millisecond):
				case err := <-r.ended:
					t.Fatalf("the election ended: %v", err)
				}
			}
			r.fail(nil)
			r.lead(t).End()
			if err := first.Check(); !errors.Is(err, ErrLost) {
				t.Errorf("Check of the first term: %v, want that it is over", err)
			}
		})
	}
}

// A replica that stops releases the Lease after its work has ended, and the next one leads.
func TestStopReleasesTheLease(t *testing.T) {
	t.Parallel()
	o := &object{}
	first := start(t, o, "a", long)
	work := first.lead(t)
	second := start(t, o, "b", long)
	first.stop()
	for term := first.lease.Begin(); term != nil; term = first.lease.Begin() {
		term.End()
	}
	if holder := o.holder(); holder != "a" || work.Check() == nil {
		t.Errorf("the Lease is held by %q while work goes on, want a, whose term is over", holder)
	}
	work.End()
	wait(t, first.ended, "the end of the election")
	wait(t, second.lease.Won(), "the term of the other replica")
	second.stop()
	wait(t, second.ended, "the end of the election")
	if holder := o.holder(); holder != "" {
		t.Errorf("the Lease is held by %q, want nobody", holder)
	}
}

// A replica that stops, and did not notice yet that another one has acquired the Lease, leaves it alone.
func TestStopLeavesTheLeaseOfOthersAlone(t *testing.T) {
	t.Parallel()
	o := &object{}
	r := start(t, o, "a", long)
	r.lead(t).End()
	r.fail(errors.New("no answer"))
	r.take("b")
	r.stop()
	r.fail(nil)
	wait(t, r.ended, "the end of the election")
	if holder := o.holder(); holder != "b" {
		t.Errorf("the Lease is held by %q, want b", holder)
	}
}

// Whatever happens meanwhile, a process releases the Lease that it holds, and no other.
func TestRelease(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, test := range []struct {
		reason    string
		ctx       context.Context
		held      string
		meanwhile func(*object)
		works     bool
		want      string
	}{
		{"it holds the Lease", t.Context(), "a", nil, false, ""},
		{"it stops", stopped, "a", nil, false, ""},
		{"another one holds it", t.Context(), "b", nil, false, "b"},
		{"somebody changes the object", t.Context(), "a", func(o *object) { o.take("a") }, false, ""},
		{"another one acquires it", t.Context(), "a", func(o *object) { o.take("b") }, false, "b"},
		{"its work does not end", t.Context(), "a", nil, true, "a"},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &object{}
			o.take(test.held)
			lock := &candidate{object: o, name: "a"}
			if test.meanwhile != nil {
				lock.meanwhile = func() { test.meanwhile(o) }
			}
			lease := NewLease(clock.RealClock{})
			lease.Renewed(time.Now())
			term := lease.Begin()
			if !test.works {
				term.End()
			}
			(&Election{lock: lock, lease: lease}).release(test.ctx)
			if holder := o.holder(); holder != test.want {
				t.Errorf("%s: the Lease is held by %q, want %q", test.reason, holder, test.want)
			}
			if term.Check() == nil {
				t.Errorf("%s: the term goes on", test.reason)
			}
		})
	}
}

// A leader that cannot do its work leaves the Lease to a replica that can, and competes again when it can.
func TestUnfitLeaderReleasesTheLease(t *testing.T) {
	t.Parallel()
	o := &object{}
	var broken atomic.Bool
	first := startFit(t, o, "a", long, func() error {
		if broken.Load() {
			return errors.New("broken")
		}
		return nil
	})
	work := first.lead(t)
	second := start(t, o, "b", long)
	broken.Store(true)
	for work.Check() == nil {
		time.Sleep(time.Millisecond)
	}
	if holder := o.holder(); holder != "a" {
		t.Errorf("the Lease is held by %q while work goes on, want a", holder)
	}
	work.End()
	wait(t, second.lease.Won(), "the term of the other replica")
	broken.Store(false)
	second.stop()
	first.lead(t).End()
}

// A leader that is unable to do its work for a moment, again and again, keeps the Lease.
func TestShortTroubleKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		r := startFit(t, &object{}, "a", long, func() error {
			if time.Since(begun)%(20*time.Millisecond) > 12*time.Millisecond {
				return errors.New("broken for less than unfitLimit")
			}
			return nil
		})
		term := r.lead(t)
		term.End()
		time.Sleep(time.Second) // in synctest's time
		if err := term.Check(); err != nil {
			t.Errorf("the Lease was given up: %v", err)
		}
		r.stop()
		wait(t, r.ended, "the end of the election")
	})
}

// A replica that is not fit does not compete.
func TestUnfitDoesNotCompete(t *testing.T) {
	t.Parallel()
	o := &object{}
	asked := make(chan struct{})
	r := startFit(t, o, "a", long, func() error {
		asked <- struct{}{}
		return errors.New("broken")
	})
	for range 10 {
		wait(t, asked, "a question whether it is fit")
	}
	if holder := o.holder(); holder != "" {
		t.Errorf("the Lease is held by %q, want nobody", holder)
	}
	r.stop()
	for {
		select {
		case <-asked:
			continue
		case err := <-r.ended:
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
}
