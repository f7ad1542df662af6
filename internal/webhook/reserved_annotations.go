package webhook

import (
	"context"
	"fmt"
	"sync/atomic"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// account is the user that the manager is for the API server: a ServiceAccount, or the user of its kubeconfig.
type account struct {
	// reviews creates the review that says who sends it. Every user who is authenticated may create one.
	reviews accessReviewer

	name atomic.Pointer[string]
}

// username asks the API server once, when it is needed first. The user of a process does not change.
func (a *account) username(ctx context.Context) (string, error) {
	if name := a.name.Load(); name != nil {
		return *name, nil
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := a.reviews.Create(ctx, review); err != nil {
		return "", fmt.Errorf("asking for the user of the manager: %w", err)
	}
	a.name.Store(&review.Status.UserInfo.Username)
	return review.Status.UserInfo.Username, nil
}

// sent says whether the manager sent the request. Its HTTP API does, for its callers.
func (a *account) sent(ctx context.Context, request admission.Request) (bool, error) {
	own, err := a.username(ctx)
	if err != nil {
		return false, unavailable(err)
	}
	return own != "" && own == request.UserInfo.Username, nil
}

// checkReservedAnnotations refuses to add, change or remove an annotation that only the manager sets, unless the
// manager does it. before is nil for a new execution.
func checkReservedAnnotations(
	ctx context.Context, manager *account, before, execution *dispatcherv1alpha1.JobExecution,
) error {
	detail := "only Dispatcher sets this annotation: leave it out"
	if before == nil {
		before = &dispatcherv1alpha1.JobExecution{}
	} else {
		detail = "only Dispatcher sets this annotation: it cannot be added, changed or removed"
	}
	var errs field.ErrorList
	for _, key := range dispatcherv1alpha1.ReservedAnnotations() {
		old, had := before.Annotations[key]
		if value, has := execution.Annotations[key]; has != had || value != old {
			errs = append(errs, field.Forbidden(field.NewPath("metadata", "annotations").Key(key), detail))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	if sent, err := manager.sent(ctx, request); err != nil || sent {
		return err
	}
	return apierrors.NewInvalid(jobExecutionKind, execution.Name, errs)
}
