package refusal

import (
	"errors"
	"fmt"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func answered(reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Reason: reason, Message: message}}
}

func TestRefusals(t *testing.T) {
	jobs, kind := schema.GroupResource{Group: "batch", Resource: "jobs"}, schema.GroupKind{Group: "batch", Kind: "Job"}
	labels := field.NewPath("spec", "template", "metadata", "labels")
	for _, test := range []struct {
		reason             string
		err                error
		byPolicy, tooLarge bool
	}{
		{reason: "a webhook",
			err:      answered(metav1.StatusReasonBadRequest, `admission webhook "a.b.c" denied the request: no`),
			byPolicy: true},
		{reason: "a webhook that says no more",
			err:      answered(metav1.StatusReasonForbidden, `admission webhook "a.b.c" denied the request without explanation`),
			byPolicy: true},
		{reason: "a policy",
			err: apierrors.NewForbidden(jobs, "run", errors.New(
				"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no")),
			byPolicy: true},
		{reason: "a policy on the size",
			err: answered(metav1.StatusReasonRequestEntityTooLarge,
				"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too large"),
			byPolicy: true},
		{reason: "a policy that quotes etcd",
			err: answered(metav1.StatusReasonInvalid,
				`admission webhook "a.b.c" denied the request: etcdserver: request is too large`),
			byPolicy: true},
		{reason: "an object that quotes a policy",
			err: apierrors.NewInvalid(kind, "run", field.ErrorList{
				field.Invalid(labels, `admission webhook "a.b.c" denied the request`, "no")})},
		{reason: "a quota", err: apierrors.NewForbidden(jobs, "run", errors.New("exceeded quota"))},

		{reason: "a request that is too large", err: apierrors.NewRequestEntityTooLargeError("limit is 3145728"),
			tooLarge: true},
		{reason: "etcd", err: apierrors.NewInternalError(errors.New("etcdserver: request is too large")), tooLarge: true},
		{reason: "etcd's client",
			err: apierrors.NewInternalError(errors.New(
				"rpc error: code = ResourceExhausted desc = trying to send message larger than max (2097253 vs. 2097152)")),
			tooLarge: true},
		{reason: "etcd, after a second try",
			err: apierrors.NewInvalid(kind, "run", field.ErrorList{
				field.Invalid(labels.Key(batchv1.ControllerUidLabel), "a", "must be 'b'")}),
			tooLarge: true},
		{reason: "an invalid Job", err: apierrors.NewInvalid(kind, "run", field.ErrorList{field.Required(labels, "")})},
		{reason: "no answer", err: errors.New("connection refused")},
	} {
		for _, err := range []error{test.err, fmt.Errorf("creating: %w", test.err)} {
			if got := ByPolicy(err); got != test.byPolicy {
				t.Errorf("%s: ByPolicy(%v) = %t, want %t", test.reason, err, got, test.byPolicy)
			}
			if got := TooLarge(err); got != test.tooLarge {
				t.Errorf("%s: TooLarge(%v) = %t, want %t", test.reason, err, got, test.tooLarge)
			}
		}
	}
}
