package webhook

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// Each reserved annotation, on create and on each kind of update, by the manager and by somebody else.
func TestReservedAnnotations(t *testing.T) {
	template := jobTemplate("a", "{{ .Payload }}")
	validator := &jobExecutionValidator{
		manager:   knownAccount(),
		templates: newLookup(&stubReader{template: template}, &stubReader{template: template}),
		renderer:  render.NewDirect(1),
	}
	annotated := func(key, value string) *dispatcherv1alpha1.JobExecution {
		execution := defaultedExecution("e", "a", "")
		execution.Annotations = map[string]string{"example.com/own": value, key: value}
		return execution
	}
	without := func() *dispatcherv1alpha1.JobExecution { return defaultedExecution("e", "a", "") }
	for _, key := range dispatcherv1alpha1.ReservedAnnotations() {
		for _, test := range []struct {
			reason        string
			before, after *dispatcherv1alpha1.JobExecution // before is nil for a create
			reserved      bool
		}{
			{"created with it", nil, annotated(key, "1"), true},
			{"created with an empty one", nil, annotated(key, ""), true},
			{"created without it", nil, annotated("example.com/other", "1"), false},
			{"added", without(), annotated(key, "1"), true},
			{"an empty one added", without(), annotated(key, ""), true},
			{"changed", annotated(key, "1"), annotated(key, "2"), true},
			{"removed", annotated(key, "1"), without(), true},
			{"kept", annotated(key, "1"), annotated(key, "1"), false},
			{"another changed", annotated("example.com/other", "1"), annotated("example.com/other", "2"), false},
		} {
			for _, user := range []string{"jane", managerUser} {
				ctx, err := requestContextOf(t, user), error(nil)
				if test.before == nil {
					_, err = validator.ValidateCreate(ctx, test.after)
				} else {
					_, err = validator.ValidateUpdate(ctx, test.before, test.after)
				}
				var want map[string]metav1.CauseType
				if test.reserved && user != managerUser {
					want = map[string]metav1.CauseType{
						"metadata.annotations[" + key + "]": metav1.CauseTypeForbidden,
					}
				}
				if diff := cmp.Diff(want, causes(err)); diff != "" || (err != nil) != (want != nil) {
					t.Errorf("%s %s by %s: %v (-want +got):\n%s", key, test.reason, user, err, diff)
				}
			}
		}
	}
}

// stubSelf answers who the manager is.
type stubSelf struct {
	name string
	err  error
	asks int
}

func (s *stubSelf) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	s.asks++
	object.(*authenticationv1.SelfSubjectReview).Status.UserInfo.Username = s.name
	return s.err
}

func TestTheManagerAsksOnceWhoItIs(t *testing.T) {
	self := &stubSelf{name: managerUser, err: errors.New("away")}
	manager := &account{reviews: self}
	execution := defaultedExecution("e", "a", "")
	execution.Annotations = map[string]string{dispatcherv1alpha1.AnnotationRequestID: "1"}
	check := func(user string) error {
		return checkReservedAnnotations(requestContextOf(t, user), manager, nil, execution)
	}
	if err := check(managerUser); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("got %v, want 503: nobody knows who the manager is", err)
	}
	self.err = nil
	for range 2 {
		if err := check(managerUser); err != nil {
			t.Error(err)
		}
		if err := check("jane"); !apierrors.IsInvalid(err) {
			t.Errorf("got %v, want Invalid", err)
		}
	}
	if self.asks != 2 {
		t.Errorf("asked %d times, want once in vain and once", self.asks)
	}

	nameless := &account{reviews: &stubSelf{}}
	if err := checkReservedAnnotations(requestContextOf(t, ""), nameless, nil, execution); err == nil {
		t.Error("a user without a name was taken for a manager without one")
	}
}
