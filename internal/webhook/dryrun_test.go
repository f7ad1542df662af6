package webhook

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestJudge(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	const (
		fine = iota
		refused
		warned
		unjudged
	)
	for _, test := range []struct {
		reason string
		err    error
		want   int
	}{
		{"created", nil, fine},
		{"a fixed name that is taken is looked for last", apierrors.NewAlreadyExists(jobs, "a"), fine},
		{"the Job is wrong", apierrors.NewInvalid(schema.GroupKind{Kind: "Job"}, "a",
			field.ErrorList{field.Required(field.NewPath("spec"), "")}), refused},
		{"the Job is too large", apierrors.NewRequestEntityTooLargeError("limit is 3145728"), refused},
		{"a quota or a terminating namespace", apierrors.NewForbidden(jobs, "a", errors.New("exceeded quota")), warned},
		{"another webhook has side effects", apierrors.NewBadRequest(`admission webhook "x" does not support dry run`), warned},
		{"another webhook's own code", &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusTeapot}}, warned},
		{"the namespace is gone", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "a"), warned},
		{"the API server is slow", apierrors.NewTimeoutError("slow", 1), unjudged},
		{"another webhook does not answer", apierrors.NewInternalError(errors.New("failed calling webhook")), unjudged},
		{"overload", apierrors.NewTooManyRequests("later", 1), unjudged},
		{"etcd is away", apierrors.NewServiceUnavailable("etcd"), unjudged},
		{"our token expired", apierrors.NewUnauthorized("expired"), unjudged},
		{"an answer that says nothing", &apierrors.StatusError{}, unjudged},
		{"no answer", context.DeadlineExceeded, unjudged},
	} {
		result, err := judge(test.err)
		got := fine
		switch {
		case err != nil:
			got = unjudged
		case len(result.errs) > 0:
			got = refused
		case len(result.warnings) > 0:
			got = warned
		}
		if got != test.want {
			t.Errorf("%s: judge(%v) = %d, want %d", test.reason, test.err, got, test.want)
		}
		if err != nil && !apierrors.IsServiceUnavailable(err) {
			t.Errorf("%s: the error is %v, want 503", test.reason, err)
		}
	}
}

func TestDryRunCreateStoresNothing(t *testing.T) {
	api := &stubAPI{}
	if _, err := dryRunCreate(t.Context(), api, &batchv1.Job{}); err != nil {
		t.Fatal(err)
	}
	if len(api.jobs) != 1 || api.dryRuns != 1 {
		t.Errorf("%d creates, of which %d dry-runs; want one, and that one dry", len(api.jobs), api.dryRuns)
	}
}

func TestDryRunCreateTellsTheWarningsOfTheAPIServer(t *testing.T) {
	api := &stubAPI{jobWarning: "spec.suspend: odd"}
	result, err := dryRunCreate(t.Context(), api, &batchv1.Job{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"spec.jobTemplate.spec.suspend: odd"}, result.warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
