package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/webhook/server"
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
	if asked.UnsafeDisableDeepCopy == nil || !*asked.UnsafeDisableDeepCopy || asked.Limit != maxUnfinished+1 {
		return errors.New("too much is copied")
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
		warner := &deletionWarner{executions: test.list, calls: newCalls()}
		response := warner.Handle(t.Context(), admission.Request{AdmissionRequest: test.request})
		if !response.Allowed {
			t.Errorf("%s: the deletion was refused", test.reason)
		}
		if warned := len(response.Warnings) == 1 && strings.HasPrefix(response.Warnings[0], "2 unfinished"); warned != test.warns {
			t.Errorf("%s: warnings %q", test.reason, response.Warnings)
		}
	}
}

func TestDeletionWarningOfMany(t *testing.T) {
	for number, want := range map[int]string{
		maxUnfinished:     fmt.Sprintf("%d unfinished", maxUnfinished),
		maxUnfinished + 1: fmt.Sprintf("more than %d unfinished", maxUnfinished),
	} {
		list := listFunc(func(string) ([]dispatcherv1alpha1.JobExecution, error) {
			return make([]dispatcherv1alpha1.JobExecution, number), nil
		})
		request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Namespace: "default"}}
		response := (&deletionWarner{executions: list, calls: newCalls()}).Handle(t.Context(), request)
		if len(response.Warnings) != 1 || !strings.HasPrefix(response.Warnings[0], want) {
			t.Errorf("%d executions: warnings %q, want %q", number, response.Warnings, want)
		}
	}
}

// However many deletions a stranger claims, few are looked into at a time, and that of another address is.
func TestDeletionsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looking atomic.Int64
		end := make(chan struct{})
		list := listFunc(func(template string) ([]dispatcherv1alpha1.JobExecution, error) {
			if template == "slow" {
				looking.Add(1)
				<-end
			}
			return make([]dispatcherv1alpha1.JobExecution, 2), nil
		})
		warner := &deletionWarner{executions: list, calls: newCalls()}
		handle := func(address, name string) admission.Response {
			request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Name: name, Namespace: "default"}}
			return warner.Handle(server.WithAddress(t.Context(), address), request)
		}
		for range 100 {
			go handle(strangersAddress, "slow")
		}
		synctest.Wait()
		if got := looking.Load(); got != maxCallsOfNamespace {
			t.Errorf("%d at a time, want %d", got, maxCallsOfNamespace)
		}
		if response := handle("10.0.0.1", "a"); len(response.Warnings) != 1 {
			t.Error("the deletion of another address was not looked into")
		}
		time.Sleep(deletionTimeout) // for those that wait, in synctest's time
		close(end)
		synctest.Wait()
	})
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
