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
	access   client.Client
	renderer render.Renderer
	trial    jobTrier
}

var _ admission.Validator[*dispatcherv1alpha1.JobTemplate] = &jobTemplateValidator{}

// ValidateCreate judges a new template.
func (v *jobTemplateValidator) ValidateCreate(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) (admission.Warnings, error) {
	warnings, err := v.validate(ctx, template)
	return warnings, counted(jobTemplateKind, err)
}

// ValidateUpdate judges a changed spec. The match condition in config/webhook keeps other updates away; the check
// here holds where that was lost, so that metadata, finalizers above all, can always be changed.
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

	// Permission comes first: the dry run below is made with the manager's own rights, and a user who may not create
	// Jobs must not learn from it what the namespace would accept.
	if err := mayCreateJobs(ctx, v.access, request.UserInfo, template); err != nil {
		return nil, err
	}
	examined := v.examine(ctx, template)
	warnings := admission.Warnings(examined.Warnings)
	if len(examined.Errors) > 0 {
		return warnings, notRendered(jobTemplateKind, template.Name, examined.Errors)
	}
	result, err := v.tryJobs(ctx, examined.Jobs)
	if err != nil {
		return warnings, err
	}
	warnings = append(warnings, warningsOf(result)...)
	if len(result.Errors) > 0 {
		return warnings, apierrors.NewInvalid(jobTemplateKind, template.Name, result.Errors)
	}
	return warnings, nil
}

// examine renders template with trial payloads, within its share of the time.
func (v *jobTemplateValidator) examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) render.Examination {
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	return v.renderer.Examine(ctx, template)
}
