package webhook

import (
	"context"
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// setCaller sets spec.caller of a new execution to the user of the request, and overwrites what anybody else wrote
// there, as the API server does with spec.username of a CertificateSigningRequest. The manager may have set another:
// the caller of its HTTP API. A change of an execution keeps the caller that is stored, so that a manifest with another
// caller, or with none, can be applied again.
func setCaller(
	ctx context.Context, manager *account, request admission.Request, execution *dispatcherv1alpha1.JobExecution,
) error {
	if request.Operation == admissionv1.Update {
		stored := &dispatcherv1alpha1.JobExecution{}
		if err := json.Unmarshal(request.OldObject.Raw, stored); err != nil {
			return apierrors.NewBadRequest(fmt.Sprintf("decoding the stored JobExecution: %v", err))
		}
		execution.Spec.Caller = stored.Spec.Caller
		return nil
	}
	trusted, err := callerIsTrusted(ctx, manager, request, execution.Spec.Caller)
	if err == nil && (!trusted || execution.Spec.Caller == nil) {
		execution.Spec.Caller = requester(request)
	}
	return err
}

// checkCaller refuses a new execution with a caller that is neither the user of the request nor set by the manager. The
// defaulter sees to that, unless something else changes the execution after it.
func checkCaller(
	ctx context.Context, manager *account, request admission.Request, execution *dispatcherv1alpha1.JobExecution,
) error {
	trusted, err := callerIsTrusted(ctx, manager, request, execution.Spec.Caller)
	if err != nil || trusted {
		return err
	}
	return apierrors.NewInvalid(jobExecutionKind, execution.Name, field.ErrorList{field.Forbidden(
		field.NewPath("spec", "caller"),
		"only Dispatcher sets the caller, to the user who creates the JobExecution: leave it out",
	)})
}

// callerIsTrusted says whether caller is the user of the request, or was set by the manager. No caller is trusted, too.
func callerIsTrusted(
	ctx context.Context, manager *account, request admission.Request, caller *dispatcherv1alpha1.Caller,
) (bool, error) {
	if caller == nil || *caller == *requester(request) {
		return true, nil
	}
	return manager.sent(ctx, request)
}

// requester returns the user of a request to the Kubernetes API: with impersonation, the user who is impersonated.
func requester(request admission.Request) *dispatcherv1alpha1.Caller {
	return &dispatcherv1alpha1.Caller{
		Username: request.UserInfo.Username, Via: dispatcherv1alpha1.CallerViaKubernetes,
	}
}
