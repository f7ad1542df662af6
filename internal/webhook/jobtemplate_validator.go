package webhook

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// jobTemplateValidator refuses a JobTemplate that does not compile, does not render, or renders to a Job that the API
// server calls invalid; and any from a user who may not create Jobs.
type jobTemplateValidator struct {
	// direct sends the access review and the dry-run create. What the API server warns of must go to a
	// collectingHandler.
	direct client.Client
}

var _ admission.Validator[*dispatcherv1alpha1.JobTemplate] = &jobTemplateValidator{}

// ValidateCreate judges a new template.
func (v *jobTemplateValidator) ValidateCreate(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) (admission.Warnings, error) {
	warnings, err := v.validate(ctx, template)
	return warnings, counted(jobTemplateKind, err)
}

// ValidateUpdate judges a changed spec. The match condition in config/webhook keeps other updates away; the check here
// holds where that was lost, so that metadata, finalizers above all, can always be changed.
func (v *jobTemplateValidator) ValidateUpdate(ctx context.Context, old, template *dispatcherv1alpha1.JobTemplate) (admission.Warnings, error) {
	if equality.Semantic.DeepEqual(old.Spec, template.Spec) {
		return nil, nil
	}
	return v.ValidateCreate(ctx, template)
}

// ValidateDelete allows: deletion has a webhook of its own, which only warns.
func (v *jobTemplateValidator) ValidateDelete(context.Context, *dispatcherv1alpha1.JobTemplate) (admission.Warnings, error) {
	return nil, nil
}

func (v *jobTemplateValidator) validate(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) (admission.Warnings, error) {
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()

	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return nil, err
	}
	template = template.DeepCopy()
	complete(&template.ObjectMeta, request.Namespace)

	// Rights come first: the dry-run below speaks with the manager's own, and one who may not create Jobs must not
	// learn from it what the namespace would accept.
	if err := mayCreateJobs(ctx, v.direct, request.UserInfo, template); err != nil {
		return nil, err
	}

	warnings := admission.Warnings(render.Warnings(template))
	result, err := v.try(ctx, template)
	if err != nil {
		return warnings, err
	}
	warnings = append(warnings, result.warnings...)
	if len(result.errs) > 0 {
		return warnings, apierrors.NewInvalid(jobTemplateKind, template.Name, result.errs)
	}
	return warnings, nil
}
