package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the API server and etcd say in words only. Where such a text changes, the answer is a less helpful one, never
// one that tells too much: see forbidden.
const (
	textQuotaExceeded      = "exceeded quota"
	textDenied             = "denied the request"
	textDeniedByPolicy     = "denied request"
	textWebhookUnreachable = "failed calling webhook"
	textNoDryRun           = "does not support dry run"
	textTooLargeForEtcd    = "request is too large"
	textTooLargeForClient  = "trying to send message larger than max"
)

// translate turns the API server's answer to a create into what the caller is told. This is the one place where that
// is decided.
func translate(err error, named target) *refusal {
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return refused
	}
	var answered apierrors.APIStatus
	if !errors.As(err, &answered) {
		return unanswered(err)
	}
	status := answered.Status()
	retryAfter := 0
	if status.Details != nil {
		retryAfter = int(status.Details.RetryAfterSeconds)
	}
	switch {
	case apierrors.IsInvalid(err):
		return invalid(status, named)
	case apierrors.IsNotFound(err) && status.Details != nil && status.Details.Kind == "namespaces":
		return refuse(reasonNamespaceNotFound, "there is no namespace %q", named.namespace).because(err)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return refuse(reasonNamespaceTerminating, "the namespace %q is being deleted", named.namespace).because(err)
	case apierrors.IsTooManyRequests(err):
		return refuse(reasonTooManyRequests, "the Kubernetes API server is busy: try again later").
			retryAfter(retryAfter, retryAfterTooManyRequests).because(err)
	case apierrors.IsRequestEntityTooLargeError(err), tooLargeToStore(err):
		return refuse(reasonPayloadTooLarge, "the payload is larger than the Kubernetes API server can store; escaped as JSON it grows").because(err)
	case apierrors.IsForbidden(err), deniedByWebhook(err) && status.Code < http.StatusInternalServerError, strings.Contains(status.Message, textNoDryRun):
		return forbidden(err, status, "Dispatcher is not allowed to execute JobTemplates in namespace %q", named.namespace)
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return timedOut().because(err)
	case apierrors.IsUnauthorized(err):
		// The token of a pod that is deleted ends at once, before the process does. Another replica will do it.
		return unavailable().retryAfter(retryAfter, retryAfterUnavailable).because(err)
	case strings.Contains(status.Message, textWebhookUnreachable):
		return refuse(reasonUnavailable, "the admission webhook that judges executions cannot be reached: try again later").
			retryAfter(retryAfter, retryAfterUnavailable).because(err)
	case status.Code >= http.StatusInternalServerError:
		return unavailable().retryAfter(retryAfter, retryAfterUnavailable).because(err)
	default:
		return internalError().because(err)
	}
}

// translateCall is translate for a call that creates nothing: it reads or changes what named says, which may not be there.
func translateCall(err error, named target) *refusal {
	status := metav1.Status{}
	if answered := apierrors.APIStatus(nil); errors.As(err, &answered) {
		status = answered.Status()
	}
	switch {
	case apierrors.IsNotFound(err) && named.execution != "":
		return absent(named)
	case apierrors.IsNotFound(err) && named.template != "":
		return refuse(reasonJobTemplateNotFound, "there is no JobTemplate %q in namespace %q", named.template, named.namespace)
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return refuse(reasonExpired, "the list that the parameter continue is from has expired: list again without it").because(err)
	case apierrors.IsInvalid(err):
		// Only a policy of the cluster can object to what these calls send, and many do it with this code.
		return refuse(reasonForbidden, "%s", status.Message).because(err)
	case apierrors.IsForbidden(err):
		return forbidden(err, status, "Dispatcher is not allowed to do this in namespace %q", named.namespace)
	default:
		return translate(err, named)
	}
}

// absent is for an execution that does not exist, or no longer.
func absent(named target) *refusal {
	return refuse(reasonExecutionNotFound, "there is no execution %q in namespace %q", named.execution, named.namespace)
}

// unanswered is for a call that got no answer, or none that can be understood.
func unanswered(err error) *refusal {
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return timedOut().because(err)
	}
	return unavailable().retryAfter(0, retryAfterUnavailable).because(err)
}

func timedOut() *refusal {
	return refuse(reasonTimeout, "the Kubernetes API server did not answer in time")
}

func unavailable() *refusal {
	return refuse(reasonUnavailable, "the Kubernetes API server is not available: try again later")
}

func cannotExecute(named target) *refusal {
	return refuse(reasonInvalid, "JobTemplate %q in namespace %q cannot be executed with this payload", named.template, named.namespace)
}

// invalid is for what admission or the CRD's own rules refused, with the fields that they name.
func invalid(status metav1.Status, named target) *refusal {
	refused := cannotExecute(named)
	var causes []metav1.StatusCause
	if status.Details != nil {
		causes = status.Details.Causes
	}
	for _, cause := range causes {
		if cause.Type == metav1.CauseTypeFieldValueNotFound && cause.Field == "spec.jobTemplateName" {
			refused.reason = reasonJobTemplateNotFound
			refused.detail = fmt.Sprintf("there is no JobTemplate %q in namespace %q", named.template, named.namespace)
		}
		refused.at(cause.Field, cause.Message)
	}
	if len(causes) == 0 {
		// A policy that gives no causes says it all in its message.
		refused.detail = status.Message
	}
	return refused
}

// forbidden passes on what a quota or a policy says, because that is written for whoever creates the object. Anything
// else is about the rights of Dispatcher's own ServiceAccount, which are the operator's business.
func forbidden(err error, status metav1.Status, format string, args ...any) *refusal {
	for _, text := range []string{textQuotaExceeded, textDenied, textDeniedByPolicy, textNoDryRun} {
		if strings.Contains(status.Message, text) {
			return refuse(reasonForbidden, "%s", status.Message)
		}
	}
	return refuse(reasonForbidden, format, args...).because(err)
}

func deniedByWebhook(err error) bool {
	return strings.Contains(err.Error(), textDenied)
}

// failedInAdmission tells whether the API server got no further than admission.
func failedInAdmission(err error) bool {
	return deniedByWebhook(err) || strings.Contains(err.Error(), textWebhookUnreachable)
}

// tooLargeToStore tells whether etcd, or the API server's client of it, refused an object for its size, which the API
// server reports as an internal error.
func tooLargeToStore(err error) bool {
	return strings.Contains(err.Error(), textTooLargeForEtcd) || strings.Contains(err.Error(), textTooLargeForClient)
}
