package webhook

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// listFunc lists the executions that the index has of one template.
type listFunc func(template string) ([]dispatcherv1alpha1.JobExecution, error)

func (f listFunc) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	panic("unexpected get")
}

func (f listFunc) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	asked := &client.ListOptions{}
	asked.ApplyOptions(options)
	if asked.Namespace != "default" {
		panic("executions of other namespaces have other templates")
	}
	template, _ := asked.FieldSelector.RequiresExactMatch(indexUnfinished)
	items, err := f(template)
	list.(*dispatcherv1alpha1.JobExecutionList).Items = items
	return err
}

// Whatever happens, a deletion is allowed.
func TestDeletionIsAlwaysAllowed(t *testing.T) {
	for _, test := range []struct {
		reason  string
		request admissionv1.AdmissionRequest
		list    listFunc
		warns   bool
	}{
		{"nothing goes on", admissionv1.AdmissionRequest{Name: "a"},
			func(string) ([]dispatcherv1alpha1.JobExecution, error) { return nil, nil }, false},
		{"something goes on", admissionv1.AdmissionRequest{Name: "a"}, unfinishedOf("a"), true},
		{"one of a collection", admissionv1.AdmissionRequest{OldObject: runtime.RawExtension{Raw: []byte(`{"metadata":{"name":"a"}}`)}}, unfinishedOf("a"), true},
		{"an object that cannot be read", admissionv1.AdmissionRequest{OldObject: runtime.RawExtension{Raw: []byte(`{`)}}, unfinishedOf("a"), false},
		{"the cache does not answer", admissionv1.AdmissionRequest{Name: "a"},
			func(string) ([]dispatcherv1alpha1.JobExecution, error) { return nil, errors.New("not in sync") }, false},
		{"a panic", admissionv1.AdmissionRequest{Name: "a"},
			func(string) ([]dispatcherv1alpha1.JobExecution, error) { panic("oh") }, false},
	} {
		test.request.Namespace = "default"
		response := (&deletionWarner{executions: test.list}).Handle(t.Context(), admission.Request{AdmissionRequest: test.request})
		if !response.Allowed {
			t.Errorf("%s: the deletion was refused", test.reason)
		}
		if warned := len(response.Warnings) == 1 && strings.HasPrefix(response.Warnings[0], "2 unfinished"); warned != test.warns {
			t.Errorf("%s: warnings %q", test.reason, response.Warnings)
		}
	}
}

func unfinishedOf(name string) listFunc {
	return func(template string) ([]dispatcherv1alpha1.JobExecution, error) {
		if template != name {
			return nil, nil
		}
		return make([]dispatcherv1alpha1.JobExecution, 2), nil
	}
}

func TestUnfinishedTemplate(t *testing.T) {
	for _, test := range []struct {
		reason string
		status metav1.ConditionStatus
		want   []string
	}{
		{"no status yet", "", []string{"a"}},
		{"goes on", metav1.ConditionUnknown, []string{"a"}},
		{"ended well", metav1.ConditionTrue, nil},
		{"ended badly", metav1.ConditionFalse, nil},
	} {
		execution := jobExecution("e", "a", "")
		if test.status != "" {
			execution.Status.Conditions = []metav1.Condition{{Type: dispatcherv1alpha1.ConditionSucceeded, Status: test.status}}
		}
		if diff := cmp.Diff(test.want, unfinishedTemplate(execution)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
	}
}
