package leader

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
	clocktesting "k8s.io/utils/clock/testing"
)

// slowLock is a client of a Lease whose writes take time and end with an error, if one is set.
type slowLock struct {
	resourcelock.Interface
	write func() error
}

func (l slowLock) Create(context.Context, resourcelock.LeaderElectionRecord) error { return l.write() }
func (l slowLock) Update(context.Context, resourcelock.LeaderElectionRecord) error { return l.write() }

// A write makes this process lead only if it was stored. The others count from when it took effect, which may be as
// soon as it was sent.
func TestWritesOfTheLease(t *testing.T) {
	for _, test := range []struct {
		reason string
		took   time.Duration
		err    error
		later  time.Duration // After the answer.
		leads  bool
	}{
		{"stored at once", 0, nil, RenewDeadline - 1, true},
		{"stored, and answered late", 7 * time.Second, nil, RenewDeadline - 7*time.Second - 1, true},
		{"stored, and answered late: the time counts from the request", 7 * time.Second, nil,
			RenewDeadline - 7*time.Second, false},
		{"not stored", 0, errors.New("another replica was faster"), 0, false},
	} {
		for kind, write := range map[string]func(*observedLock) error{
			"create": func(l *observedLock) error { return l.Create(t.Context(), resourcelock.LeaderElectionRecord{}) },
			"update": func(l *observedLock) error { return l.Update(t.Context(), resourcelock.LeaderElectionRecord{}) },
		} {
			t.Run(test.reason+", by "+kind, func(t *testing.T) {
				clock := clocktesting.NewFakePassiveClock(testTime)
				lease := NewLease(clock)
				lock := &observedLock{lease: lease, Interface: slowLock{write: func() error {
					clock.SetTime(clock.Now().Add(test.took))
					return test.err
				}}}
				if err := write(lock); !errors.Is(err, test.err) {
					t.Errorf("error = %v, want %v", err, test.err)
				}
				clock.SetTime(clock.Now().Add(test.later))
				if leads := lease.Valid(); leads != test.leads {
					t.Errorf("leads = %v, want %v", leads, test.leads)
				}
			})
		}
	}
}
