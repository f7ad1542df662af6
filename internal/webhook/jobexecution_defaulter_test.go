package webhook

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

func TestDefault(t *testing.T) {
	for _, test := range []struct {
		reason string
		live   *stubReader
		is     func(error) bool
	}{
		{"a missing template is left to the validator", &stubReader{}, func(err error) bool { return err == nil }},
		{"a TTL that could not be read must not be lost in silence", &stubReader{err: errors.New("away")}, apierrors.IsServiceUnavailable},
		{"nor one for which a proxy has no page", &stubReader{err: errOfProxy}, apierrors.IsServiceUnavailable},
	} {
		defaulter := &jobExecutionDefaulter{manager: knownAccount(), templates: newLookup(&stubReader{}, test.live)}
		execution := jobExecution("e", "a", "")
		if err := defaulter.Default(requestContext(t), execution); !test.is(err) {
			t.Errorf("%s: got %v", test.reason, err)
		}
		want := jobExecution("e", "a", "")
		want.Spec.Caller = &dispatcherv1alpha1.Caller{Username: "jane", Via: dispatcherv1alpha1.CallerViaKubernetes}
		if diff := cmp.Diff(want, execution); diff != "" {
			t.Errorf("%s: the execution was changed:\n%s", test.reason, diff)
		}
	}
}
