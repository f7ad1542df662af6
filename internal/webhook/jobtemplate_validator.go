package webhook

import (
	"context"
	"fmt"
	"maps"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

// jobTemplateValidator refuses a JobTemplate that does not compile, does not render, or renders to a Job that the API
// server calls invalid; and any from a user who may not create Jobs.
type jobTemplateValidator struct {
	access   accessReviewer
	renderer render.Renderer
	trial    trial.Trier
}

var _ admission.Validator[*dispatcherv1alpha1.JobTemplate] = &jobTemplateValidator{}

// ValidateCreate validates a new template.
func (v *jobTemplateValidator) ValidateCreate(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate,
) (admission.Warnings, error) {
	warnings, err := v.validate(ctx, template)
	return warnings, countRefusal(jobTemplateKind, err)
}

// ValidateUpdate validates a change of what runs: the spec without suspend, and labels and annotations where strings of
// the template use them. Other changes always pass, so that finalizers can be removed from a template that would be
// refused today. The matchConditions in config/webhook keep most of them away.
func (v *jobTemplateValidator) ValidateUpdate(
	ctx context.Context, old, template *dispatcherv1alpha1.JobTemplate,
) (admission.Warnings, error) {
	switch {
	case whatRunsChanged(old, template):
		return v.ValidateCreate(ctx, template)
	case visibleMetadataChanged(old, template):
		warnings, err := v.validateMetadata(ctx, template)
		return warnings, countRefusal(jobTemplateKind, err)
	}
	return nil, nil
}

// visibleMetadataChanged reports whether anything changed that templates can use.
func visibleMetadataChanged(old, template *dispatcherv1alpha1.JobTemplate) bool {
	return !maps.Equal(old.Labels, template.Labels) ||
		!maps.Equal(render.VisibleAnnotations(old), render.VisibleAnnotations(template))
}

// ValidateDelete allows: deletion has a webhook of its own, which only warns.
func (v *jobTemplateValidator) ValidateDelete(
	context.Context, *dispatcherv1alpha1.JobTemplate,
) (admission.Warnings, error) {
	return nil, nil
}

func (v *jobTemplateValidator) validate(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate,
) (admission.Warnings, error) {
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()
	user, template, err := requested(ctx, template)
	if err != nil {
		return nil, err
	}
	// Permission comes first: the dry run below is made with the manager's own rights, and a user who may not create
	// Jobs must not learn from it what the namespace would accept.
	if err := mayCreateJobs(ctx, v.access, user, template); err != nil {
		return nil, err
	}
	examined := v.examine(ctx, template)
	if !render.Retryable(examined.Errors) {
		examined.Errors = append(excessFields(ctx), examined.Errors...)
	}
	return v.validateJobs(ctx, template, examined)
}

// validateMetadata is validate for a template of which only labels and annotations changed. It accepts a template
// that does not use them, whoever changes it.
func (v *jobTemplateValidator) validateMetadata(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate,
) (admission.Warnings, error) {
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()
	user, template, err := requested(ctx, template)
	if err != nil {
		return nil, err
	}
	examined := v.examine(ctx, template)
	if !examined.UsesMetadata {
		return nil, nil
	}
	if err := mayCreateJobs(ctx, v.access, user, template); err != nil {
		return nil, err
	}
	return v.validateJobs(ctx, template, examined)
}

// requested returns the user of the request, and a copy of template that has a name and a namespace.
func requested(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate,
) (authenticationv1.UserInfo, *dispatcherv1alpha1.JobTemplate, error) {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return authenticationv1.UserInfo{}, nil, err
	}
	template = template.DeepCopy()
	setNameAndNamespace(&template.ObjectMeta, request.Namespace)
	return request.UserInfo, template, nil
}

// validateJobs refuses a template that does not render, or whose Jobs the API server calls invalid.
func (v *jobTemplateValidator) validateJobs(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, examined render.Examination,
) (admission.Warnings, error) {
	verdict, err := trial.Template(ctx, v.trial, template, examined)
	warnings := admission.Warnings(verdict.Warnings)
	switch {
	case err != nil:
		return warnings, unavailable(err)
	case len(verdict.RenderErrors) > 0:
		return warnings, notRendered(jobTemplateKind, template.Name, verdict.RenderErrors)
	case len(verdict.JobErrors) > 0:
		return warnings, apierrors.NewInvalid(jobTemplateKind, template.Name, verdict.JobErrors)
	case verdict.Refusal != nil:
		// It may be created later, for example when there is room in a quota again.
		return append(warnings,
			fmt.Sprintf("a Job of this template would not be created now: %s", verdict.Refusal.ErrStatus.Message)), nil
	}
	return warnings, nil
}

// examine renders template with trial payloads, within its share of the time.
func (v *jobTemplateValidator) examine(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate,
) render.Examination {
	ctx, cancel := renderContext(ctx)
	defer cancel()
	return v.renderer.Examine(ctx, template)
}
