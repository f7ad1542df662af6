package controller

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// deniedByPolicy is how the message of a refusal by a policy begins: by an admission webhook, or by a
// ValidatingAdmissionPolicy.
var deniedByPolicy = regexp.MustCompile(`^admission webhook "[^"]*" denied the request|` +
	`^(\S+( "[^"]*")? is forbidden: )?ValidatingAdmissionPolicy '[^']*'.* denied request`)

// isDenied says whether a policy refused the object. Its code tells nothing: a ValidatingAdmissionPolicy answers 422
// unless it says otherwise, and a webhook that gives no code answers 400. A policy may change, unlike what the API
// server itself finds invalid.
func isDenied(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && deniedByPolicy.MatchString(status.Status().Message)
}

// isContention says whether another write to a quota came first. A webhook may also answer 409.
func isContention(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Code != http.StatusConflict || isDenied(err) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "resourcequotas" ||
		strings.Contains(status.Status().Message, " resourcequotas ")
}

// isTaken says whether an object of the name exists.
func isTaken(err error) bool { return apierrors.IsAlreadyExists(err) && !isDenied(err) }
