package webhook

import (
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// templateSuspended refuses a new execution of a template whose spec.suspend is true, with the code 409 and a cause by
// which programs know why.
//
// The reason is Forbidden, as for a namespace that is being deleted. With Conflict, or with a reason that Kubernetes
// does not know, clients would take the code 409 for a write to an old version: kubectl would speak of fields that
// others manage, and controllers would try again at once, for ever.
func templateSuspended(
	template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) error {
	message := fmt.Sprintf("JobTemplate %q in namespace %q is suspended: new executions are refused while its "+
		"spec.suspend is true", template.Name, template.Namespace)
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusConflict,
		Reason:  metav1.StatusReasonForbidden,
		Message: string(dispatcherv1alpha1.CauseTemplateSuspended) + ": " + message,
		Details: &metav1.StatusDetails{
			Group: jobExecutionKind.Group,
			Kind:  jobExecutionKind.Kind,
			Name:  execution.Name,
			Causes: []metav1.StatusCause{{
				Type: dispatcherv1alpha1.CauseTemplateSuspended, Field: "spec.jobTemplateName", Message: message,
			}},
		},
	}}
}

// whatRunsChanged says whether anything of the spec has changed but suspend. A template that would be refused today can
// be suspended, too.
func whatRunsChanged(old, template *dispatcherv1alpha1.JobTemplate) bool {
	before := old.Spec
	before.Suspend = template.Spec.Suspend
	return !equality.Semantic.DeepEqual(before, template.Spec)
}
