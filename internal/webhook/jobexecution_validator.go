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
)

// jobExecutionValidator refuses a JobExecution whose template does not exist or does not render with its payload.
type jobExecutionValidator struct {
	templates *templateLookup
	programs  *render.Cache
}

var _ admission.Validator[*dispatcherv1alpha1.JobExecution] = &jobExecutionValidator{}

// ValidateCreate judges a new execution.
func (v *jobExecutionValidator) ValidateCreate(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (admission.Warnings, error) {
	return nil, counted(jobExecutionKind, v.validate(ctx, execution))
}

// ValidateUpdate allows: the spec is immutable, which the CRD says.
func (v *jobExecutionValidator) ValidateUpdate(context.Context, *dispatcherv1alpha1.JobExecution, *dispatcherv1alpha1.JobExecution) (admission.Warnings, error) {
	return nil, nil
}

// ValidateDelete allows: an execution can always be deleted.
func (v *jobExecutionValidator) ValidateDelete(context.Context, *dispatcherv1alpha1.JobExecution) (admission.Warnings, error) {
	return nil, nil
}

func (v *jobExecutionValidator) validate(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) error {
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()

	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	execution = execution.DeepCopy()
	complete(&execution.ObjectMeta, request.Namespace)

	key := client.ObjectKey{Namespace: execution.Namespace, Name: execution.Spec.JobTemplateName}
	template, err := v.templates.get(ctx, key)
	if err != nil {
		return lookupFailed(execution, err)
	}
	// The defaulting comes first. A template that is made between the two has given the execution neither labels nor a time
	// to live: it would be kept for ever, and no list would show it.
	if execution.Labels[dispatcherv1alpha1.LabelJobTemplate] != template.Name {
		return templateNotFound(execution, "it was not there when the defaults were filled in: try again")
	}
	refusal := v.judge(ctx, template, execution)
	if refusal == nil {
		return nil
	}

	// The cache may be behind. To accept by an old template does no harm, since the controller renders again; to refuse
	// by one would be untrue.
	current, err := v.templates.getLive(ctx, key)
	if err != nil {
		return lookupFailed(execution, err)
	}
	if current.ResourceVersion == template.ResourceVersion {
		return refusal
	}
	return v.judge(ctx, current, execution)
}

// judge renders execution as the controller will.
func (v *jobExecutionValidator) judge(ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution) error {
	if !template.DeletionTimestamp.IsZero() {
		return templateNotFound(execution, "it is being deleted")
	}
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()

	program, errs := v.programs.Program(template)
	if len(errs) == 0 {
		_, errs = render.Job(ctx, program, template, execution)
	}
	if len(errs) > 0 {
		return notRendered(jobExecutionKind, execution.Name, inTemplate(template.Name, errs))
	}
	return nil
}

// inTemplate says of each error that its path is one of the template, not of the execution. The text of the template is
// left out: who may run a template need not be allowed to read it.
func inTemplate(name string, errs field.ErrorList) field.ErrorList {
	told := make(field.ErrorList, 0, len(errs))
	for _, err := range errs {
		copied := *err
		copied.BadValue = field.OmitValueType{}
		copied.Detail = fmt.Sprintf("in JobTemplate %q", name)
		if err.Detail != "" {
			copied.Detail += ": " + err.Detail
		}
		told = append(told, &copied)
	}
	return told
}

func lookupFailed(execution *dispatcherv1alpha1.JobExecution, err error) error {
	if apierrors.IsNotFound(err) {
		return templateNotFound(execution, fmt.Sprintf("namespace %q has no such JobTemplate", execution.Namespace))
	}
	return unavailable(fmt.Sprintf("reading JobTemplate %q", execution.Spec.JobTemplateName), err)
}

// templateNotFound answers 422 with a cause of type FieldValueNotFound, by which the HTTP API knows to answer 404.
func templateNotFound(execution *dispatcherv1alpha1.JobExecution, detail string) error {
	missing := field.NotFound(field.NewPath("spec", "jobTemplateName"), execution.Spec.JobTemplateName)
	missing.Detail = detail
	return apierrors.NewInvalid(jobExecutionKind, execution.Name, field.ErrorList{missing})
}
