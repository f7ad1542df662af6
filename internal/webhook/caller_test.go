package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// callers returns callers of both kinds, and none.
func callers() map[string]*dispatcherv1alpha1.Caller {
	return map[string]*dispatcherv1alpha1.Caller{
		"none":                     nil,
		"jane by kubectl":          {Username: "jane", Via: dispatcherv1alpha1.CallerViaKubernetes},
		"jane over HTTP":           {Username: "jane", Via: dispatcherv1alpha1.CallerViaHTTP},
		"the manager by kubectl":   {Username: managerUser, Via: dispatcherv1alpha1.CallerViaKubernetes},
		"somebody else by kubectl": {Username: "joe", Via: dispatcherv1alpha1.CallerViaKubernetes},
		"nobody over HTTP":         {Username: "system:anonymous", Via: dispatcherv1alpha1.CallerViaHTTP},
		"a user without a name":    {Via: dispatcherv1alpha1.CallerViaKubernetes},
	}
}

// Whatever a user writes, the caller is that user. Only the manager is believed.
func TestTheCallerOfANewExecution(t *testing.T) {
	template := jobTemplate("a", "{{ .Caller.Username }}")
	reader := &stubReader{template: template}
	for _, user := range []string{"jane", managerUser} {
		for reason, written := range callers() {
			defaulter := &jobExecutionDefaulter{manager: knownAccount(), templates: newLookup(reader, reader)}
			execution := jobExecution("e", "a", "")
			execution.Spec.Caller = written.DeepCopy()
			ctx := requestContextOf(t, user)
			if err := defaulter.Default(ctx, execution); err != nil {
				t.Fatal(err)
			}
			want := &dispatcherv1alpha1.Caller{Username: user, Via: dispatcherv1alpha1.CallerViaKubernetes}
			if user == managerUser && written != nil {
				want = written
			}
			if diff := cmp.Diff(want, execution.Spec.Caller); diff != "" {
				t.Errorf("%s writes %s (-want +got):\n%s", user, reason, diff)
			}
			validator := &jobExecutionValidator{
				manager: knownAccount(), templates: newLookup(reader, reader), renderer: render.NewDirect(1),
			}
			if _, err := validator.ValidateCreate(ctx, execution); err != nil {
				t.Errorf("%s writes %s: %v", user, reason, err)
			}
		}
	}
}

// The defaulter is not the last one to change an execution, and may not have been asked at all.
func TestACallerThatTheDefaulterHasNotSet(t *testing.T) {
	template := jobTemplate("a", "{{ .Payload }}")
	reader := &stubReader{template: template}
	for _, user := range []string{"jane", managerUser} {
		for reason, written := range callers() {
			validator := &jobExecutionValidator{
				manager: knownAccount(), templates: newLookup(reader, reader), renderer: render.NewDirect(1),
			}
			execution := defaultedExecution("e", "a", "")
			execution.Spec.Caller = written
			_, err := validator.ValidateCreate(requestContextOf(t, user), execution)
			var want map[string]metav1.CauseType
			if user != managerUser && reason != "none" && reason != "jane by kubectl" {
				want = map[string]metav1.CauseType{"spec.caller": metav1.CauseTypeForbidden}
			}
			if diff := cmp.Diff(want, causes(err)); diff != "" || (err != nil) != (want != nil) {
				t.Errorf("%s writes %s: %v (-want +got):\n%s", user, reason, err, diff)
			}
		}
	}
}

// updateContext is the context of a request that changes an execution whose caller is stored.
func updateContext(t *testing.T, user string, stored *dispatcherv1alpha1.Caller) context.Context {
	t.Helper()
	execution := jobExecution("e", "a", "")
	execution.Spec.Caller = stored
	raw, err := json.Marshal(execution)
	if err != nil {
		t.Fatal(err)
	}
	return admission.NewContextWithRequest(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Namespace: "default",
		Operation: admissionv1.Update,
		UserInfo:  authenticationv1.UserInfo{Username: user},
		OldObject: runtime.RawExtension{Raw: raw},
	}})
}

// No change of an execution changes its caller, and nothing else is filled in.
func TestAChangeKeepsTheCaller(t *testing.T) {
	for _, user := range []string{"jane", managerUser} {
		for before, stored := range callers() {
			for after, written := range callers() {
				defaulter := &jobExecutionDefaulter{manager: knownAccount(), templates: newLookup(nil, nil)}
				execution := jobExecution("e", "a", "")
				execution.Spec.Caller = written.DeepCopy()
				want := jobExecution("e", "a", "")
				want.Spec.Caller = stored
				err := defaulter.Default(updateContext(t, user, stored), execution)
				if diff := cmp.Diff(want, execution); diff != "" || err != nil {
					t.Errorf("%s changes %s to %s: %v (-want +got):\n%s", user, before, after, err, diff)
				}
			}
		}
	}
}

// A caller that cannot be checked is not stored, and a user who writes none needs no check.
func TestTheCallerWhereNobodyKnowsTheManager(t *testing.T) {
	self := &stubSelf{err: errors.New("away")}
	reader := &stubReader{template: jobTemplate("a", "")}
	defaulter := &jobExecutionDefaulter{manager: &account{reviews: self}, templates: newLookup(reader, reader)}
	execution := jobExecution("e", "a", "")
	if err := defaulter.Default(requestContext(t), execution); err != nil || self.asks > 0 {
		t.Errorf("an execution without a caller: %v, and the API server was asked %d times", err, self.asks)
	}
	execution.Spec.Caller = &dispatcherv1alpha1.Caller{Username: "joe", Via: dispatcherv1alpha1.CallerViaHTTP}
	if err := defaulter.Default(requestContext(t), execution); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("got %v, want 503", err)
	}
}
