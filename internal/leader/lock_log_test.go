package leader

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
)

// The log says that another replica leads only while that one renews the Lease.
func TestSayWhoLeads(t *testing.T) {
	for _, test := range []struct {
		reason, holder string
		renews, leads  bool
	}{
		{"another renews it", "other", true, true},
		{"another held it, and renews it no more", "other", false, false},
		{"it was released", "", false, false},
	} {
		var said []string
		o, clock := &object{}, clocktesting.NewFakePassiveClock(time.Unix(0, 0))
		o.take(test.holder)
		lock := &observedLock{
			Interface: &candidate{object: o, name: "own"}, lease: NewLease(clock), patience: leaseDuration,
		}
		lock.lease.log = funcr.New(func(_, args string) { said = append(said, args) }, funcr.Options{})
		for range 60 {
			if test.renews {
				record := *o.record
				record.RenewTime = metav1.NewTime(clock.Now())
				o.set(&record)
			}
			if _, _, err := lock.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			clock.SetTime(clock.Now().Add(retryPeriod))
		}
		if len(said) != 2 {
			t.Fatalf("%s: %d lines in two minutes, want 2: %q", test.reason, len(said), said)
		}
		for _, line := range said {
			if leads := strings.Contains(line, "another replica leads"); leads != test.leads {
				t.Errorf("%s: %s", test.reason, line)
			}
		}
	}
}
