package webhook

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

// jobExecutionValidator refuses a JobExecution whose template does not exist, is suspended or does not render with its
// payload, whose Job is invalid, and one with annotations or a caller that only the manager sets.
type jobExecutionValidator struct {
	manager   *account
	templates *templateLookup
	renderer  render.Renderer
	trial     trial.Trier
}

var _ admission.Validator[*dispatcherv1alpha1.JobExecution] = &jobExecutionValidator{}

// ValidateCreate validates a new execution.
func (v *jobExecutionValidator) ValidateCreate(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution,
) (admission.Warnings, error) {
	warnings, err := v.validate(ctx, execution)
	return warnings, countRefusal(jobExecutionKind, err)
}

// ValidateUpdate validates a change of annotations. The spec is immutable, which the CRD says.
func (v *jobExecutionValidator) ValidateUpdate(
	ctx context.Context, before, execution *dispatcherv1alpha1.JobExecution,
) (admission.Warnings, error) {
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()
	return nil, countRefusal(jobExecutionKind, checkReservedAnnotations(ctx, v.manager, before, execution))
}

// ValidateDelete allows: an execution can always be deleted.
func (v *jobExecutionValidator) ValidateDelete(
	context.Context, *dispatcherv1alpha1.JobExecution,
) (admission.Warnings, error) {
	return nil, nil
}

func (v *jobExecutionValidator) validate(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution,
) (admission.Warnings, error) {
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()

	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkReservedAnnotations(ctx, v.manager, nil, execution); err != nil {
		return nil, err
	}
	if err := checkCaller(ctx, v.manager, request, execution); err != nil {
		return nil, err
	}
	execution = execution.DeepCopy()
	setNameAndNamespace(&execution.ObjectMeta, request.Namespace)

	key := client.ObjectKey{Namespace: execution.Namespace, Name: execution.Spec.JobTemplateName}
	template, release, err := v.templates.get(ctx, key)
	if err != nil {
		return nil, lookupFailed(execution, err)
	}
	defer release()
	// Defaulting comes first. If the template was created after that, the execution has neither its labels nor its
	// time to live: it would be kept for ever, and would be missing from lists.
	if execution.Labels[dispatcherv1alpha1.LabelJobTemplate] != template.Name {
		return nil, templateNotFound(execution, "it did not exist when the defaults were filled in: try again")
	}
	refusal := v.validateJob(ctx, template, execution)
	if refusal == nil {
		return rerunWarnings(execution, template), nil
	}
	if apierrors.IsTimeout(refusal) || apierrors.IsServiceUnavailable(refusal) {
		return nil, refusal // Then nothing is known of the template that another one could change.
	}

	// The cache may be behind. Accepting because of an old template does no harm, since the controller renders again.
	// Refusing because of one would be wrong.
	current, err := v.templates.getLive(ctx, key)
	if err != nil {
		return nil, lookupFailed(execution, err)
	}
	if current.ResourceVersion == template.ResourceVersion {
		return nil, refusal
	}
	return rerunWarnings(execution, current), v.validateJob(ctx, current, execution)
}

// validateJob renders the Job of execution as the controller will, and tries it at the API server if another execution
// of the template may have a valid Job and this one not.
func (v *jobExecutionValidator) validateJob(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) error {
	if !template.DeletionTimestamp.IsZero() {
		return templateNotFound(execution, "it is being deleted")
	}
	if template.Spec.Suspend {
		return templateSuspended(template, execution)
	}
	rendering := v.render(ctx, template, execution)
	if len(rendering.Errors) > 0 {
		return notRendered(jobExecutionKind, execution.Name, inTemplate(template.Name, rendering.Errors))
	}
	if err := checkExecutionName(template, execution, rendering.Job); err != nil {
		return err
	}
	switch {
	case rendering.Job.Size() > render.MaxJobBytes:
		return jobTooLarge(template, execution)
	case rendering.NeedsTrial:
		return v.tryJob(ctx, template, execution, rendering.Job)
	}
	return nil
}

// render renders the Job of execution, within its share of the time.
func (v *jobExecutionValidator) render(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) render.Rendering {
	ctx, cancel := renderContext(ctx)
	defer cancel()
	return v.renderer.Render(ctx, template, execution)
}

// inTemplate adds to each error that its path is one of the template.
func inTemplate(name string, errs field.ErrorList) field.ErrorList {
	for _, err := range errs {
		prefix := fmt.Sprintf("JobTemplate %q", name)
		if err.Detail != "" {
			prefix += ": "
		}
		err.Detail = prefix + err.Detail
	}
	return errs
}

func lookupFailed(execution *dispatcherv1alpha1.JobExecution, err error) error {
	if isMissing(err) {
		return templateNotFound(execution, fmt.Sprintf("namespace %q has no such JobTemplate", execution.Namespace))
	}
	return unavailable(fmt.Errorf("reading JobTemplate %q: %w", execution.Spec.JobTemplateName, err))
}

// templateNotFound answers 422 with a cause of type FieldValueNotFound, by which the HTTP API knows to answer 404.
func templateNotFound(execution *dispatcherv1alpha1.JobExecution, detail string) error {
	missing := field.NotFound(field.NewPath("spec", "jobTemplateName"), execution.Spec.JobTemplateName)
	missing.Detail = detail
	return apierrors.NewInvalid(jobExecutionKind, execution.Name, field.ErrorList{missing})
}
