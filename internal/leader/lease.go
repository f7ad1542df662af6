package leader

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

// RenewDeadline is for how long a leader may act after it last began to renew its Lease. Other replicas wait for
// leaseDuration, so that a write of the last moment has five seconds to arrive.
const RenewDeadline = 10 * time.Second

// ErrLost says that this process does not lead any more, or not for certain.
var ErrLost = errors.New("the term as the leader is over")

// Lease knows whether this process leads. To be elected is not enough: a process that was stopped for longer than a
// Lease lasts, for example on a machine that was suspended, continues where it was. Until its elector runs, it still
// believes that it leads, while another replica does. It would then run executions again that the other one has run and
// deleted, and finish those that the other one runs. Therefore the leader's work belongs to a Term, and every write
// that must happen only once is preceded by Term.Check.
//
// Only a condition that the API server checks could close the gap between Check and the write.
type Lease struct {
	clock    clock.PassiveClock
	deadline time.Duration // RenewDeadline, or 0 if nobody else can lead.
	won      chan struct{}
	log      logr.Logger

	mu      sync.Mutex
	term    *Term
	renewed time.Time     // When the last successful renewal was sent.
	work    int           // Pieces of work that have begun and not ended.
	idleNow chan struct{} // Closed when the last of them ends. Nil if nobody waits for that.
}

// NewLease returns the Lease of a process that does not lead until Renewed is called.
func NewLease(clock clock.PassiveClock) *Lease {
	return &Lease{clock: clock, deadline: RenewDeadline, won: make(chan struct{}, 1)}
}

// Alone returns the Lease of a process without other replicas. Its only term has begun at since and does not end.
func Alone(since time.Time) *Lease {
	l := &Lease{won: make(chan struct{}, 1)}
	l.term = &Term{lease: l, since: since}
	return l
}

// Won receives a value when a term has begun since it was last read. Another process may have acted before.
func (l *Lease) Won() <-chan struct{} { return l.won }

// Renewed notes that the Lease was stored with this process as its holder, by a request that was sent at this time. It
// begins a term unless one goes on.
func (l *Lease) Renewed(sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current() == nil {
		l.term = &Term{lease: l, since: l.clock.Now()}
		l.log.Info("a term as the leader begins")
		select {
		case l.won <- struct{}{}:
		default:
		}
	}
	l.renewed = sent
}

// Lost ends the term.
func (l *Lease) Lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over("it is given up, or somebody else holds the Lease")
}

// over ends the term, if there is one. The caller holds the lock.
func (l *Lease) over(reason string) {
	if l.term == nil {
		return
	}
	l.log.Info("a term as the leader is over", "reason", reason, "lasted", l.clock.Now().Sub(l.term.since).String())
	l.term = nil
}

// Valid says whether this process is certain to lead.
func (l *Lease) Valid() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current() != nil
}

// Begin begins a piece of work of the leader, which its caller has to End. It returns nil unless this process is
// certain to lead. Work that is not done for that reason has to be looked for when a term begins.
func (l *Lease) Begin() *Term {
	l.mu.Lock()
	defer l.mu.Unlock()
	term := l.current()
	if term != nil {
		l.work++
	}
	return term
}

// current returns the term that goes on, or nil. A term ends when the Lease is not renewed in time, and a later renewal
// begins another: otherwise, work that Begin did not allow meanwhile would be forgotten.
func (l *Lease) current() *Term {
	if l.term != nil && l.deadline > 0 && l.age() >= l.deadline {
		l.over("the Lease was not renewed in time")
	}
	return l.term
}

// age is the time since the last renewal. The monotonic clock stops while the machine is suspended, and the wall clock
// may be set back.
func (l *Lease) age() time.Duration {
	now := l.clock.Now()
	return max(now.Sub(l.renewed), now.Round(0).Sub(l.renewed.Round(0)))
}

// Idle waits until all work has ended, and returns whether it has.
func (l *Lease) Idle(limit time.Duration) bool {
	l.mu.Lock()
	if l.work == 0 {
		l.mu.Unlock()
		return true
	}
	if l.idleNow == nil {
		l.idleNow = make(chan struct{})
	}
	ended := l.idleNow
	l.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// Term is a time during which this process leads without interruption. What was read in one term must not be written in
// another: in between, another process may have acted.
type Term struct {
	lease *Lease
	since time.Time
}

// Since is when the term began.
func (t *Term) Since() time.Time { return t.since }

// Check returns an error that wraps ErrLost unless this process is certain to lead still, in this same term.
func (t *Term) Check() error {
	t.lease.mu.Lock()
	defer t.lease.mu.Unlock()
	if t.lease.current() != t {
		return fmt.Errorf("%w: the Lease has to be renewed within %v, and by nobody else", ErrLost, t.lease.deadline)
	}
	return nil
}

// End ends a piece of work that Lease.Begin has begun.
func (t *Term) End() {
	l := t.lease
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.work--; l.work == 0 && l.idleNow != nil {
		close(l.idleNow)
		l.idleNow = nil
	}
}
