package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// verdict is what the API server thinks of a rendered Job, told in the words of the template that made it.
type verdict struct {
	errs     field.ErrorList
	warnings []string
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=create

// dryRunCreate asks the API server to create job without storing it, so that its own validation, and the cluster's
// policies, speak when the template is applied. The error says that no verdict was reached.
func dryRunCreate(ctx context.Context, jobs client.Client, job *batchv1.Job) (verdict, error) {
	ctx, warnings := collectWarnings(ctx)
	err := jobs.Create(ctx, job.DeepCopy(), client.DryRunAll)
	result, err := judge(err)
	if err != nil {
		return verdict{}, err
	}
	result.warnings = append(templateWarnings(warnings.list()), result.warnings...)
	return result, nil
}

// judge sorts the answer to a dry-run create:
//   - invalid, which includes what a ValidatingAdmissionPolicy calls so: the template is wrong;
//   - refused for another reason, like an exhausted quota, a namespace that terminates, or a webhook that does not
//     support dry-runs: it may be different when the template is run, so this is a warning;
//   - no answer worth the name (time-out, overload, an internal error): an error, since to let the template pass would
//     be to say that it was tried.
//
// A Job of that name may exist already: the API server looks for it after all else was found in order.
func judge(err error) (verdict, error) {
	if err == nil || apierrors.IsAlreadyExists(err) {
		return verdict{}, nil
	}
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return verdict{}, unavailable("trying the rendered Job", err)
	}
	status := answer.Status()
	switch code := int(status.Code); {
	case code == http.StatusUnprocessableEntity, code == http.StatusRequestEntityTooLarge:
		return verdict{errs: templateErrors(status)}, nil
	case isTransient(code):
		return verdict{}, unavailable("trying the rendered Job", err)
	default:
		return verdict{warnings: []string{fmt.Sprintf("a Job of this template would not be created now: %s", status.Message)}}, nil
	}
}

// isTransient tells trouble of the API server, or of the way to it, from its opinion of an object.
func isTransient(code int) bool {
	switch code {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return code < http.StatusBadRequest || code >= http.StatusInternalServerError
}
