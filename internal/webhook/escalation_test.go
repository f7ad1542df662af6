package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestSubjectAccessReview(t *testing.T) {
	user := authenticationv1.UserInfo{
		Username: "jane",
		UID:      "42",
		Groups:   []string{"writers", "system:authenticated"},
		Extra:    map[string]authenticationv1.ExtraValue{"scopes": {"read", "write"}},
	}
	want := authorizationv1.SubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: "team", Verb: "create", Group: "batch", Version: "v1", Resource: "jobs",
		},
		User:   "jane",
		UID:    "42",
		Groups: []string{"writers", "system:authenticated"},
		Extra:  map[string]authorizationv1.ExtraValue{"scopes": {"read", "write"}},
	}
	if diff := cmp.Diff(want, subjectAccessReview(user, "team").Spec); diff != "" {
		t.Errorf("review (-want +got):\n%s", diff)
	}
}

func TestMayCreateJobs(t *testing.T) {
	for _, test := range []struct {
		reason string
		access *stubAccess
		is     func(error) bool
	}{
		{"allowed", &stubAccess{}, func(err error) bool { return err == nil }},
		{"denied", &stubAccess{denied: true}, apierrors.IsForbidden},
		{"the API server cannot say: not allowed, but not forbidden either",
			&stubAccess{err: errors.New("no route")}, apierrors.IsServiceUnavailable},
	} {
		err := mayCreateJobs(t.Context(), test.access, authenticationv1.UserInfo{Username: "jane"}, jobTemplate("a", ""))
		if !test.is(err) {
			t.Errorf("%s: got %v", test.reason, err)
		}
		if test.access.denied {
			for _, part := range []string{`"jane"`, `"jobs"`, `"batch"`, `"default"`} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %q does not say %s, so nobody knows which right is missing", test.reason, err, part)
				}
			}
		}
	}
}
