package v1alpha1

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestState(t *testing.T) {
	const none = metav1.ConditionStatus("")
	for _, test := range []struct {
		reason             string
		succeeded, running metav1.ConditionStatus
		want               State
		finished           bool
	}{
		{"no status yet", none, none, StateWaiting, false},
		{"as the API server creates it", metav1.ConditionUnknown, none, StateWaiting, false},
		{"its Job does not run", metav1.ConditionUnknown, metav1.ConditionFalse, StateWaiting, false},
		{"its Job runs", metav1.ConditionUnknown, metav1.ConditionTrue, StateRunning, false},
		{"its Job runs, and nobody wrote the summary", none, metav1.ConditionTrue, StateRunning, false},
		{"its Job completed", metav1.ConditionTrue, metav1.ConditionFalse, StateSucceeded, true},
		{"its Job failed", metav1.ConditionFalse, metav1.ConditionFalse, StateFailed, true},
		{"the summary counts", metav1.ConditionFalse, metav1.ConditionTrue, StateFailed, true},
	} {
		execution := &JobExecution{}
		conditions := map[string]metav1.ConditionStatus{ConditionSucceeded: test.succeeded, ConditionRunning: test.running}
		for name, value := range conditions {
			if value != none {
				condition := metav1.Condition{Type: name, Status: value, Reason: name}
				execution.Status.Conditions = append(execution.Status.Conditions, condition)
			}
		}
		if got := execution.State(); got != test.want || !slices.Contains(States, got) {
			t.Errorf("%s: the state is %s, want %s", test.reason, got, test.want)
		}
		if got := execution.IsFinished(); got != test.finished {
			t.Errorf("%s: finished is %v, want %v", test.reason, got, test.finished)
		}
		if got := execution.Summary(); got.Status != test.succeeded {
			t.Errorf("%s: the summary is %+v", test.reason, got)
		}
	}
}

func TestSetMissingTimes(t *testing.T) {
	created, later := metav1.Unix(1000, 0), metav1.Unix(2000, 0)
	shared := []metav1.Condition{{Type: ConditionSucceeded}, {Type: ConditionRunning, LastTransitionTime: later}}
	execution := &JobExecution{}
	execution.CreationTimestamp, execution.Status.Conditions = created, shared
	execution.SetMissingTimes()
	for i, want := range []metav1.Time{created, later} {
		if got := execution.Status.Conditions[i].LastTransitionTime; !got.Equal(&want) {
			t.Errorf("condition %d: %v, want %v", i, got, want)
		}
	}
	if !shared[0].LastTransitionTime.IsZero() {
		t.Error("the shared conditions have changed")
	}
}
