package leader

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	clocktesting "k8s.io/utils/clock/testing"
)

var testTime = time.Date(2030, time.March, 4, 5, 6, 7, 0, time.UTC)

// hasBegun says whether a term has begun since it was last asked.
func hasBegun(l *Lease) bool {
	select {
	case <-l.Won():
		return true
	default:
		return false
	}
}

// A process leads until RenewDeadline after the request that stored its Lease was sent: until then, nobody else can
// have acquired it. A renewal that comes later begins another term.
func TestTerm(t *testing.T) {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	for _, test := range []struct {
		reason     string
		renewals   []time.Duration // When those after the first were sent.
		took       time.Duration   // How long the last of them took.
		lost       bool
		later      time.Duration // When the question is asked.
		leads      bool
		terms      int
		isTheFirst bool
	}{
		{"just acquired", nil, 0, false, 0, true, 1, true},
		{"acquired a while ago", nil, 0, false, seconds(10) - 1, true, 1, true},
		{"acquired too long ago", nil, 0, false, seconds(10), false, 1, false},
		{"renewed", []time.Duration{seconds(2), seconds(9)}, 0, false, seconds(18), true, 1, true},
		{"renewed too long ago", []time.Duration{seconds(9)}, 0, false, seconds(19), false, 1, false},
		{"renewed by a request that took long", []time.Duration{seconds(2)}, seconds(7), false, seconds(11), true, 1,
			true},
		{"renewed by a request that took long, too long ago", []time.Duration{seconds(2)}, seconds(7), false,
			seconds(12), false, 1, false},
		{"renewed too late", []time.Duration{seconds(10)}, 0, false, seconds(10), true, 2, false},
		{"renewed by a request whose answer came too late", []time.Duration{seconds(9)}, seconds(1), false, seconds(10),
			true, 2, false},
		{"seen with another holder", nil, 0, true, seconds(1), false, 1, false},
		{"the clock was set back", nil, 0, false, -seconds(3600), true, 1, true},
		{"the clock was set forward", nil, 0, false, seconds(3600), false, 1, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(testTime)
			lease := NewLease(clock)
			if lease.Begin() != nil || hasBegun(lease) {
				t.Fatal("leads before the Lease was acquired")
			}
			lease.Renewed(testTime)
			first := lease.Begin()
			terms := 0
			if hasBegun(lease) {
				terms++
			}
			for _, sent := range test.renewals {
				clock.SetTime(testTime.Add(sent + test.took))
				lease.Renewed(testTime.Add(sent))
				if hasBegun(lease) {
					terms++
				}
			}
			if test.lost {
				lease.Lost()
			}
			clock.SetTime(testTime.Add(test.later))
			if leads := lease.Begin() != nil; leads != test.leads {
				t.Errorf("leads = %v, want %v", leads, test.leads)
			}
			if terms != test.terms {
				t.Errorf("%d terms have begun, want %d", terms, test.terms)
			}
			if err := first.Check(); (err == nil) != test.isTheFirst || err != nil && !errors.Is(err, ErrLost) {
				t.Errorf("Check of the first term: %v, want nil: %v", err, test.isTheFirst)
			}
		})
	}
}

// A question that was answered with no ends the term, even if the clock is set back afterwards: the work that was not
// done is only looked for when a term begins.
func TestRefusedWorkIsLookedForLater(t *testing.T) {
	for _, test := range []struct {
		reason string
		ask    func(*Lease, *Term) bool
	}{
		{"work was to begin", func(l *Lease, _ *Term) bool { return l.Begin() != nil }},
		{"work was to be finished", func(_ *Lease, term *Term) bool { return term.Check() == nil }},
	} {
		t.Run(test.reason, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(testTime)
			lease := NewLease(clock)
			lease.Renewed(testTime)
			term := lease.Begin()
			hasBegun(lease)
			clock.SetTime(testTime.Add(time.Hour))
			if test.ask(lease, term) {
				t.Fatal("leads an hour after the last renewal")
			}
			clock.SetTime(testTime.Add(time.Second))
			lease.Renewed(testTime.Add(time.Second))
			if !hasBegun(lease) {
				t.Error("no term has begun")
			}
		})
	}
}

// A leader that stops waits for all pieces of its work, and not for ever.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease := NewLease(clocktesting.NewFakePassiveClock(testTime))
		lease.Renewed(testTime)
		if !lease.Idle(0) {
			t.Error("it waits before any work has begun")
		}
		first, second := lease.Begin(), lease.Begin()
		if lease.Idle(time.Second) {
			t.Error("it is idle while two pieces of work go on")
		}
		idle := make(chan bool, 1)
		go func() { idle <- lease.Idle(time.Hour) }()
		synctest.Wait()
		first.End()
		synctest.Wait()
		if len(idle) > 0 {
			t.Error("it does not wait for the second piece of work")
		}
		second.End()
		if !<-idle || !lease.Idle(0) {
			t.Error("it still waits when all work has ended")
		}
	})
}

// monotonic returns a time that its monotonic clock puts later than its wall clock does. The package time has no
// function for that, as the difference is a fault of the machine.
func monotonic(t *testing.T, now time.Time, ahead time.Duration) time.Time {
	t.Helper()
	later := now
	(*struct {
		wall uint64
		ext  int64 // The monotonic clock, in nanoseconds, where wall says that there is one.
		loc  unsafe.Pointer
	})(unsafe.Pointer(&later)).ext += int64(ahead)
	if later.Sub(now) != ahead || !later.Round(0).Equal(now.Round(0)) {
		t.Fatal("time.Time is not what it was")
	}
	return later
}

// The monotonic clock stands still while a machine is suspended, and the wall clock may be set back. Either one says
// that a term is over.
func TestEitherClockEndsATerm(t *testing.T) {
	const d = RenewDeadline
	for _, test := range []struct {
		reason          string
		wall, monotonic time.Duration // Since the renewal.
		leads           bool
	}{
		{"both go", d - 1, d - 1, true},
		{"the machine was suspended", d, 0, false},
		{"the clock was set back", 0, d, false},
		{"the clock was set back by much", -time.Hour, d, false},
		{"the clock was set back a moment ago", -time.Hour, d - 1, true},
	} {
		renewed := time.Now()
		clock := clocktesting.NewFakePassiveClock(renewed)
		lease := NewLease(clock)
		lease.Renewed(renewed)
		clock.SetTime(monotonic(t, renewed.Add(test.wall), test.monotonic-test.wall))
		if leads := lease.Valid(); leads != test.leads {
			t.Errorf("%s: leads = %v, want %v", test.reason, leads, test.leads)
		}
	}
}

// The machine's clock may say anything where nobody else can lead.
func TestAlone(t *testing.T) {
	lease := Alone(testTime)
	term := lease.Begin()
	if term == nil || !term.Since().Equal(testTime) || term.Check() != nil {
		t.Errorf("term = %+v, want one that goes on", term)
	}
}
