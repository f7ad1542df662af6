package controller

import (
	"testing"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
)

// Executions that began to wait together are not tried together.
func TestRetriesAreSpread(t *testing.T) {
	c := newCluster(t)
	for _, err := range []error{
		errContended, errManyRenders, errReplaced, errNamespaceTerminating, &retryableError{since: testTime.Add(-time.Hour)},
	} {
		intervals := map[time.Duration]bool{}
		for range 10 {
			result, failed := c.reconciler.nextStep(t.Context(), ctrl.Request{NamespacedName: testKey}, ctrl.Result{}, err)
			if failed != nil || result.RequeueAfter <= 0 {
				t.Errorf("%v: retried after %v, error %v", err, result.RequeueAfter, failed)
			}
			intervals[result.RequeueAfter] = true
		}
		if len(intervals) == 1 {
			t.Errorf("%v: 10 executions are retried at the same time", err)
		}
	}
}
