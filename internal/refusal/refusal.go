// Package refusal says why the API server did not store an object, where the status code and the reason of its answer
// do not tell, and whether it was an API server that answered. The controller and the HTTP API decide by it what
// becomes of a call that failed.
//
// It must not decide that itself, and has no client.
package refusal

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// byPolicy is how the message of a refusal by a policy begins: by an admission webhook, or by a
// ValidatingAdmissionPolicy.
var byPolicy = regexp.MustCompile(`^admission webhook "[^"]*" denied the request|` +
	`^(\S+( "[^"]*")? is forbidden: )?ValidatingAdmissionPolicy '[^']*'.* denied request`)

// ByPolicy says whether an admission webhook or a ValidatingAdmissionPolicy refused the object. The code tells nothing:
// a ValidatingAdmissionPolicy answers 422 unless it says otherwise, and a webhook that gives no code answers 400. A
// policy may change, unlike what the API server itself finds invalid.
func ByPolicy(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && byPolicy.MatchString(status.Status().Message)
}

// TooLarge says whether the object is too large to be stored, about 1.5 MiB. Only a request that is too large has a
// reason of its own. If etcd or the API server's client of it refuses the object, the API server answers with an
// internal error that contains the message, or, for a Job, after a second try without managed fields, that the Job is
// invalid because the first try has labelled it.
func TooLarge(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || ByPolicy(err) {
		return false
	}
	message := status.Status().Message
	if apierrors.IsRequestEntityTooLargeError(err) ||
		strings.Contains(message, "etcdserver: request is too large") ||
		strings.Contains(message, "trying to send message larger than max") {
		return true
	}
	const label = "spec.template.metadata.labels[" + batchv1.ControllerUidLabel + "]"
	details := status.Status().Details
	return details != nil &&
		slices.ContainsFunc(details.Causes, func(cause metav1.StatusCause) bool { return cause.Field == label })
}

// Unexpected says whether the answer is none of an API server for this resource: a proxy gave it, or the resource is
// not served. client-go then fills in the kind and the name of the request.
func Unexpected(err error) bool {
	return apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// ByProxy says whether a proxy refused the request, or the answer to it. So the API server may have carried it out. It
// is false where that is certain not to be so: nobody serves the resource, the request is too large for the proxy, or
// there are too many requests, which API servers answer in the same way.
func ByProxy(err error) bool {
	var status apierrors.APIStatus
	if !Unexpected(err) || !errors.As(err, &status) {
		return false
	}
	switch code := status.Status().Code; code {
	case http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return false
	default:
		return code >= http.StatusBadRequest && code < http.StatusInternalServerError
	}
}
