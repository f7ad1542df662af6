package controller

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// finishedCount returns how many executions of newExecution's template were counted.
func finishedCount(t *testing.T, result string) float64 {
	t.Helper()
	var metric dto.Metric
	if err := executionsTotal.WithLabelValues(testKey.Namespace, "hello", result).Write(&metric); err != nil {
		t.Fatal(err)
	}
	return metric.GetCounter().GetValue()
}

func TestExecutionsAreCountedByResult(t *testing.T) {
	succeeded, failures, cancels := finishedCount(t, resultSucceeded), finishedCount(t, resultFailed), finishedCount(t, resultCanceled)
	newCluster(t, newTemplate(), newExecution(), newJob(complete)).step()
	newCluster(t, newTemplate(), newExecution(), newJob(failed(""))).step()
	newCluster(t, newTemplate(), newExecution(), newJob(active)).step() // it goes on
	newCluster(t, newExecution()).step()                                // its template is gone
	newCluster(t, newExecution(canceling)).step()
	if got := finishedCount(t, resultSucceeded) - succeeded; got != 1 {
		t.Errorf("%v succeeded, want 1", got)
	}
	if got := finishedCount(t, resultFailed) - failures; got != 2 {
		t.Errorf("%v failed, want 2", got)
	}
	if got := finishedCount(t, resultCanceled) - cancels; got != 1 {
		t.Errorf("%v canceled, want 1", got)
	}
}

// The time to a Job is measured when this process made it, and not when it found it.
func TestJobCreationIsMeasuredOnce(t *testing.T) {
	count := func() uint64 {
		var metric dto.Metric
		if err := jobCreationDuration.Write(&metric); err != nil {
			t.Fatal(err)
		}
		return metric.GetHistogram().GetSampleCount()
	}
	before := count()
	c := newCluster(t, newTemplate(), newExecution())
	for range 2 {
		if _, _, err := c.reconcile(); err != nil {
			t.Fatal(err)
		}
	}
	c.sync()
	c.step()
	newLaggingCluster(t, store(newTemplate(), newExecution(), newJob()), store(newTemplate(), newExecution())).step()
	if got := count() - before; got != 1 {
		t.Errorf("measured %d times, want once", got)
	}
}

func TestRequestedAt(t *testing.T) {
	for _, test := range []struct {
		reason   string
		received string
		want     time.Time
	}{
		{"the HTTP API notes when it received the request", "2030-03-04T05:06:06.5Z", testTime.Add(-500 * time.Millisecond)},
		{"kubectl notes nothing", "", testTime},
		{"users may write anything", "yesterday", testTime},
		{"users may write any time", "2010-03-04T05:06:07Z", testTime},
	} {
		execution := newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
			execution.Annotations = map[string]string{dispatcherv1alpha1.AnnotationReceivedAt: test.received}
		})
		if got := requestedAt(execution); !got.Equal(test.want) {
			t.Errorf("%s: requestedAt = %v, want %v", test.reason, got, test.want)
		}
	}
}
