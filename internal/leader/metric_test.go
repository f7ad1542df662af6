package leader

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	clocktesting "k8s.io/utils/clock/testing"
)

// A leader that cannot renew its Lease says so itself: nothing else calls it meanwhile.
func TestMetric(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testTime)
	lease := NewLease(clock)
	metric := Metric(lease)
	check := func(reason string, want float64) {
		t.Helper()
		if got := testutil.ToFloat64(metric); got != want || lease.Valid() != (want == 1) {
			t.Errorf("%s: got %v, and Valid is %v", reason, got, lease.Valid())
		}
	}
	check("before the first term", 0)
	lease.Renewed(clock.Now())
	check("in a term", 1)
	clock.SetTime(testTime.Add(RenewDeadline - 1))
	check("at the end of its time", 1)
	clock.SetTime(testTime.Add(RenewDeadline))
	check("when its time is over", 0)
	lease.Renewed(clock.Now())
	check("in another term", 1)
	lease.Lost()
	check("after it was lost", 0)
}
