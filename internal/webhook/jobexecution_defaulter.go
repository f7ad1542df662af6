package webhook

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// jobExecutionDefaulter fills in who creates an execution, and what it takes from its template.
type jobExecutionDefaulter struct {
	manager   *account
	templates *templateLookup
}

var _ admission.Defaulter[*dispatcherv1alpha1.JobExecution] = &jobExecutionDefaulter{}

// Default fills in the caller, labels and the time to live of a new execution, and keeps the caller of one that is
// changed. The API server does not call it for an execution that has them already, nor for a change that leaves the
// caller as it is: see fields-to-set in setup.go. Where the template does not exist, the validator refuses the
// execution and names the field.
func (d *jobExecutionDefaulter) Default(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) error {
	return countRefusal(jobExecutionKind, d.setDefaults(ctx, execution))
}

func (d *jobExecutionDefaulter) setDefaults(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) error {
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()

	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	if err := setCaller(ctx, d.manager, request, execution); err != nil || request.Operation == admissionv1.Update {
		return err
	}
	key := client.ObjectKey{Namespace: request.Namespace, Name: execution.Spec.JobTemplateName}
	if len(validation.IsDNS1123Subdomain(key.Name)) > 0 {
		// Mutation comes before validation by the CRD, which refuses such a name.
		return nil
	}
	template, release, err := d.templates.get(ctx, key)
	switch {
	case isMissing(err):
		return nil
	case err != nil:
		return unavailable(fmt.Errorf("reading JobTemplate %q: %w", key.Name, err))
	}
	defer release()
	render.Inherit(execution, template)
	return nil
}
