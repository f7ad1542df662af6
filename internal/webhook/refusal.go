package webhook

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

var (
	jobTemplateKind  = schema.GroupKind{Group: dispatcherv1alpha1.GroupVersion.Group, Kind: "JobTemplate"}
	jobExecutionKind = schema.GroupKind{Group: dispatcherv1alpha1.GroupVersion.Group, Kind: "JobExecution"}
)

// notRendered answers 422, with errs as its causes. Where time ran out first, the answer is 504.
func notRendered(kind schema.GroupKind, name string, errs field.ErrorList) error {
	if render.Retryable(errs) {
		message := fmt.Sprintf("%s %q could not be checked in time: %v", kind.String(), name, errs.ToAggregate())
		return apierrors.NewTimeoutError(message, 0)
	}
	return apierrors.NewInvalid(kind, name, errs)
}

// unavailable answers 503 because of err: the API server could not be asked. Nothing is admitted without being
// checked, as nothing is when the webhook itself cannot be reached (failurePolicy Fail).
func unavailable(err error) error {
	return apierrors.NewServiceUnavailable(err.Error())
}
