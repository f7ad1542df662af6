package controller

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// The counts are those of the objects, also of a state that no template has.
func TestTemplatesAreCounted(t *testing.T) {
	ready, untried := templateWith(""), templateWith("")
	ready.Status = dispatcherv1alpha1.JobTemplateStatus{ObservedGeneration: 3, Conditions: []metav1.Condition{
		{Type: dispatcherv1alpha1.ConditionReady, Status: metav1.ConditionTrue},
	}}
	untried.Name = "untried"
	const want = `
# HELP dispatcher_jobtemplates JobTemplates by whether they are ready (true, false, or unknown if the newest spec was not tried yet). Every replica reports all of them.
# TYPE dispatcher_jobtemplates gauge
dispatcher_jobtemplates{ready="false"} 0
dispatcher_jobtemplates{ready="true"} 1
dispatcher_jobtemplates{ready="unknown"} 1
`
	counts := &templateCounts{templates: store(ready, untried)}
	if err := testutil.CollectAndCompare(counts, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
