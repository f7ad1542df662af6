package controller

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/refusal"
)

// This file is the one place that decides what an answer of the API server means for the object of a call. The code
// alone does not tell: admission webhooks and policies refuse with any code, and so do proxies and API servers that do
// not serve the resource.

// subject is the object that a call is about.
type subject struct{ group, kind, name string }

func jobNamed(name string) subject { return subject{batchv1.GroupName, "Job", name} }

func executionNamed(name string) subject {
	return subject{dispatcherv1alpha1.GroupVersion.Group, "JobExecution", name}
}

func templateNamed(name string) subject {
	return subject{dispatcherv1alpha1.GroupVersion.Group, "JobTemplate", name}
}

// isNamedBy says whether the answer is about the subject, and comes from an API server that has looked for it. Caches
// and some checks of the API server answer with the kind in place of the resource.
func (s subject) isNamedBy(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || refusal.ByPolicy(err) || refusal.Unexpected(err) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Group == s.group && details.Name == s.name &&
		(details.Kind == s.kind || details.Kind == strings.ToLower(s.kind)+"s")
}

// isGone says whether the subject does not exist.
func (s subject) isGone(err error) bool { return apierrors.IsNotFound(err) && s.isNamedBy(err) }

// hasChanged says whether the subject is not what a patch or a delete was for: it has another resourceVersion or UID.
func (s subject) hasChanged(err error) bool {
	return apierrors.IsConflict(err) && !isContention(err) && s.isNamedBy(err)
}

// writeFailed returns the error of a patch or a delete of the subject: errOutdated if the subject has changed or is
// gone. Any other answer tells nothing about the subject, so the write is tried again.
func (s subject) writeFailed(doing string, err error) error {
	if s.isGone(err) || s.hasChanged(err) {
		return fmt.Errorf("%s: %w: %w", doing, errOutdated, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isContention says whether another write to a quota came first. A webhook may also answer 409.
func isContention(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Code != http.StatusConflict || refusal.ByPolicy(err) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "resourcequotas" ||
		strings.Contains(status.Status().Message, " resourcequotas ")
}

// isTaken says whether an object of the name exists.
func isTaken(err error) bool { return apierrors.IsAlreadyExists(err) && !refusal.ByPolicy(err) }

// isRefusal says whether the API server refused the object, as opposed to a problem of the API server or a write that
// came first. Admission webhooks may refuse with any code.
func isRefusal(err error) bool {
	if apierrors.IsAlreadyExists(err) || isInvalid(err) || refusal.ByPolicy(err) {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || isContention(err) || apierrors.IsTooManyRequests(err) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusRequestTimeout
}

func isInvalid(err error) bool {
	return !refusal.Unexpected(err) && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)) || refusal.TooLarge(err)
}

// isNamespaceTerminating says whether the namespace is being deleted or does not exist any more. An admission webhook
// may answer that something else is not found.
func isNamespaceTerminating(err error, namespace string) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || refusal.ByPolicy(err) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Group == "" && details.Kind == "namespaces" && details.Name == namespace
}
