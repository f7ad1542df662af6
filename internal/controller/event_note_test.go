package controller

import (
	"strings"
	"testing"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

func TestEventsNameTheCaller(t *testing.T) {
	for _, test := range []struct {
		reason string
		caller *dispatcherv1alpha1.Caller
		names  bool
	}{
		{"a user of kubectl", &dispatcherv1alpha1.Caller{Username: "alice", Via: "Kubernetes"}, true},
		{"a caller of the HTTP API", &dispatcherv1alpha1.Caller{Username: "alice", Via: "HTTP"}, true},
		{"a name for which there is no room", &dispatcherv1alpha1.Caller{
			Username: "alice" + strings.Repeat("\x01", maxNote/4), Via: "HTTP",
		}, false},
		{"none was recorded", nil, false},
	} {
		execution := newExecution(func(execution *dispatcherv1alpha1.JobExecution) { execution.Spec.Caller = test.caller })
		note := eventNote(execution)
		if !strings.HasPrefix(note, execution.Summary().Message) || len(note) > maxNote {
			t.Errorf("%s: the note is %q", test.reason, note)
		}
		if test.names != strings.Contains(note, `"alice"`) {
			t.Errorf("%s: the note is %q", test.reason, note)
		}
	}
}
