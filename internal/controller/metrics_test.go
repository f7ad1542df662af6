package controller

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	toolscache "k8s.io/client-go/tools/cache"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// finishedCount returns how many executions of newExecution's template were counted.
func finishedCount(t *testing.T, result string) float64 {
	t.Helper()
	return countOf(t, "hello", result)
}

func countOf(t *testing.T, template, result string) float64 {
	t.Helper()
	var metric dto.Metric
	if err := executionsTotal.WithLabelValues(testKey.Namespace, template, result).Write(&metric); err != nil {
		t.Fatal(err)
	}
	return metric.GetCounter().GetValue()
}

func TestExecutionsAreCountedByResult(t *testing.T) {
	succeeded, failures, cancels := finishedCount(t, resultSucceeded), finishedCount(t, resultFailed), finishedCount(
		t, resultCanceled,
	)
	newCluster(t, newTemplate(), newExecution(), newJob(complete)).step()
	newCluster(t, newTemplate(), newExecution(), newJob(failed(""))).step()
	newCluster(t, newTemplate(), newExecution(), newJob(active)).step() // it goes on
	newCluster(t, newTemplate(), newExecution(canceling)).step()
	if got := finishedCount(t, resultSucceeded) - succeeded; got != 1 {
		t.Errorf("%v succeeded, want 1", got)
	}
	if got := finishedCount(t, resultFailed) - failures; got != 1 {
		t.Errorf("%v failed, want 1", got)
	}
	if got := finishedCount(t, resultCanceled) - cancels; got != 1 {
		t.Errorf("%v canceled, want 1", got)
	}
}

// A template's series go with it, and what finishes later does not bring them back.
func TestSeriesOfADeletedTemplate(t *testing.T) {
	for _, object := range []any{newTemplate(), toolscache.DeletedFinalStateUnknown{Obj: newTemplate()}} {
		newCluster(t, newTemplate(), newExecution(), newJob(complete)).step()
		forgetTemplate(object)
		nameless := countOf(t, "", resultFailed)
		newCluster(t, newExecution()).step()
		if got := countOf(t, "", resultFailed) - nameless; got != 1 {
			t.Errorf("%v failed without a template, want 1", got)
		}
		if executionsTotal.DeletePartialMatch(prometheus.Labels{"template": "hello"}) > 0 {
			t.Error("the series of the template are still there, or there again")
		}
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
		{"the HTTP API notes when it received the request", "2030-03-04T05:06:06.5Z",
			testTime.Add(-500 * time.Millisecond)},
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
