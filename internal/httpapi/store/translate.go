package store

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
	"k8s.io/apimachinery/pkg/runtime/schema"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/refusal"
)

// What the API server says in words only. Where such a text changes, the answer is a less helpful one, never
// one that tells too much: see forbidden.
const (
	textQuotaExceeded      = "exceeded quota"
	textWebhookUnreachable = "failed calling webhook"
	textCertificate        = "x509: "
	textNoDryRun           = "does not support dry run"
)

// translate turns the API server's answer to a create into what the caller is told. This is the one place where that
// is decided.
func translate(err error, named Target) *problem.Problem {
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
	case refusal.ByProxy(err):
		return unavailable().RetryAfter(retryAfter).Because(err)
	case apierrors.IsInvalid(err):
		return invalid(status, named)
	case apierrors.IsNotFound(err) && status.Details != nil && status.Details.Kind == "namespaces":
		return problem.New(problem.NamespaceNotFound, "there is no namespace %q", named.Namespace).Because(err)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return problem.New(problem.NamespaceTerminating, "the namespace %q is being deleted", named.Namespace).Because(err)
	case apierrors.IsTooManyRequests(err):
		return problem.New(problem.TooManyRequests, "the Kubernetes API server is busy: try again later").
			RetryAfter(retryAfter).Because(err)
	case apierrors.HasStatusCause(err, dispatcherv1alpha1.CauseTemplateSuspended):
		return problem.New(problem.TemplateSuspended, "JobTemplate %q in namespace %q is suspended: new executions are "+
			"refused while its spec.suspend is true", named.Template, named.Namespace).
			At("spec.jobTemplateName", "is the name of a JobTemplate that is suspended")
	case refusal.TooLarge(err):
		return problem.New(problem.PayloadTooLarge,
			"the payload is larger than the Kubernetes API server can store; escaped as JSON it grows").Because(err)
	case apierrors.IsForbidden(err), refusal.ByPolicy(err) && status.Code < http.StatusInternalServerError,
		strings.Contains(status.Message, textNoDryRun):
		return forbidden(err, status, "Dispatcher is not allowed to execute JobTemplates in namespace %q", named.Namespace)
	case apierrors.IsConflict(err):
		// Quota admission lost a race for the quota's usage: nothing was stored, and the next try may succeed.
		return unavailable().RetryAfter(max(retryAfter, 1)).Because(err)
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return timedOut().Because(err)
	case apierrors.IsUnauthorized(err):
		// The token of a pod that is deleted ends at once, before the process does. Another replica will do it.
		return problem.New(problem.Unavailable,
			"the Kubernetes API server does not accept Dispatcher's own credentials: try again later, or tell an administrator").
			RetryAfter(retryAfter).Because(err)
	case isNotServed(err):
		return problem.New(problem.Unavailable,
			"the Kubernetes API server does not serve %s: an administrator has to install the CRD", resourceOf(status)).
			RetryAfter(retryAfter).Because(err)
	case isUntrusted(err):
		return problem.New(problem.Unavailable,
			"the certificate of an admission webhook is not trusted by the Kubernetes API server: tell an administrator").
			RetryAfter(retryAfter).Because(err)
	case strings.Contains(status.Message, textWebhookUnreachable):
		return problem.New(problem.Unavailable,
			"the admission webhook that judges executions cannot be reached: try again later").
			RetryAfter(retryAfter).
			Because(err)
	case status.Code >= http.StatusInternalServerError:
		return unavailable().RetryAfter(retryAfter).Because(err)
	default:
		return problem.Internal(err)
	}
}

// translateCall is translate for a call that creates nothing: it reads or changes what named says, which may not be
// there.
func translateCall(err error, named Target) *problem.Problem {
	status := metav1.Status{}
	if answered := apierrors.APIStatus(nil); errors.As(err, &answered) {
		status = answered.Status()
	}
	switch {
	case refusal.ByProxy(err):
		return translate(err, named)
	case named.Execution != "" && isAbsent(err, named.Execution):
		return notFound(named)
	case named.Execution == "" && named.Template != "" && isAbsent(err, named.Template):
		return problem.New(
			problem.JobTemplateNotFound,
			"there is no JobTemplate %q in namespace %q",
			named.Template,
			named.Namespace,
		)
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return problem.New(problem.Expired,
			"the list that the parameter continue is from has expired: list again without it").
			Because(err)
	case apierrors.IsInvalid(err):
		// Only a policy of the cluster can object to what these calls send, and many do it with this code.
		return problem.New(problem.Forbidden, "%s", status.Message).Because(err)
	case apierrors.IsForbidden(err):
		return forbidden(err, status, "Dispatcher is not allowed to do this in namespace %q", named.Namespace)
	default:
		return translate(err, named)
	}
}

// isAbsent tells whether the API server has looked for one of our objects with this name, and found none. Proxies,
// webhooks and API servers without our CRDs answer 404, too.
func isAbsent(err error, name string) bool {
	var answered apierrors.APIStatus
	if !apierrors.IsNotFound(err) || isNotServed(err) || refusal.ByPolicy(err) || !errors.As(err, &answered) {
		return false
	}
	details := answered.Status().Details
	return details != nil && details.Group == dispatcherv1alpha1.GroupVersion.Group && details.Name == name
}

// isNotServed tells whether nobody has looked for the object: the resource is not served, or a proxy has answered.
func isNotServed(err error) bool {
	return apierrors.IsNotFound(err) && refusal.Unexpected(err)
}

// resourceOf is the resource that an answer is about, like jobexecutions.dispatcher.ivan.vc.
func resourceOf(status metav1.Status) schema.GroupResource {
	if status.Details == nil {
		return schema.GroupResource{}
	}
	return schema.GroupResource{Group: status.Details.Group, Resource: status.Details.Kind}
}

// NotFound is for an execution that does not exist, or no longer.
func NotFound(execution *dispatcherv1alpha1.JobExecution) *problem.Problem {
	return notFound(targetOf(execution))
}

func notFound(named Target) *problem.Problem {
	return problem.New(
		problem.ExecutionNotFound,
		"there is no execution %q in namespace %q",
		named.Execution,
		named.Namespace,
	)
}

// unanswered is for a call that got no answer, or none that can be understood.
func unanswered(err error) *problem.Problem {
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return timedOut().Because(err)
	}
	return unavailable().Because(err)
}

func timedOut() *problem.Problem {
	return problem.New(problem.Timeout, "the Kubernetes API server did not answer in time")
}

func unavailable() *problem.Problem {
	return problem.New(problem.Unavailable, "the Kubernetes API server is not available: try again later")
}

// CannotExecute is for a JobTemplate that does not render with a payload. The caller adds the fields.
func CannotExecute(namespace, template string) *problem.Problem {
	return problem.New(
		problem.Invalid,
		"JobTemplate %q in namespace %q cannot be executed with this payload",
		template,
		namespace,
	)
}

// invalid is for what admission or the CRD's own rules refused, with the fields that they name.
func invalid(status metav1.Status, named Target) *problem.Problem {
	refused := CannotExecute(named.Namespace, named.Template)
	var causes []metav1.StatusCause
	if status.Details != nil {
		causes = status.Details.Causes
	}
	for _, cause := range causes {
		if cause.Type == metav1.CauseTypeFieldValueNotFound && cause.Field == "spec.jobTemplateName" {
			refused.Reason = problem.JobTemplateNotFound
			refused.Detail = fmt.Sprintf("there is no JobTemplate %q in namespace %q", named.Template, named.Namespace)
		}
		refused.At(cause.Field, cause.Message)
	}
	if len(causes) == 0 {
		// A policy that gives no causes says it all in its message.
		refused.Detail = status.Message
	}
	return refused
}

// forbidden passes on what a quota or a policy says, because that is meant for the creator of the object. Anything
// else is about the rights of Dispatcher's own ServiceAccount, which are the operator's business.
func forbidden(err error, status metav1.Status, format string, args ...any) *problem.Problem {
	if refusal.ByPolicy(err) || strings.Contains(status.Message, textQuotaExceeded) ||
		strings.Contains(status.Message, textNoDryRun) {
		return problem.New(problem.Forbidden, "%s", status.Message)
	}
	return problem.New(problem.Forbidden, format, args...).Because(err)
}

// failedInAdmission tells whether the API server got no further than admission.
func failedInAdmission(err error) bool {
	return refusal.ByPolicy(err) || strings.Contains(err.Error(), textWebhookUnreachable)
}
