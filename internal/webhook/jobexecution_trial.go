package webhook

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/refusal"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

var (
	jobTemplatePath = field.NewPath("spec", "jobTemplate")
	jobNamePath     = jobTemplatePath.Child("metadata", "name")
)

// tryJob refuses an execution whose Job the API server calls invalid.
//
// The dry run is made with the manager's rights, and the user may neither be allowed to create Jobs nor to read the
// template. So the answer names fields of the template and says what is wrong with them, and nothing else that the API
// server said. A refusal by a policy or a quota refuses no execution: that may change until the Job is created.
func (v *jobExecutionValidator) tryJob(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
	job *batchv1.Job,
) error {
	tried := *job
	tried.OwnerReferences = nil // The execution may have no UID yet.
	result, err := v.trial.Try(ctx, &tried)
	switch {
	case err != nil:
		return notTried(execution, err)
	case result.Refusal == nil, refusal.ByPolicy(result.Refusal):
		return nil
	case refusal.TooLarge(result.Refusal):
		return jobTooLarge(template, execution)
	case len(result.Errors) == 0:
		return nil
	}
	errs := errorsForCaller(template, trial.ErrorsForCallers(&tried, result.Refusal))
	return apierrors.NewInvalid(jobExecutionKind, execution.Name, errs)
}

func jobTooLarge(template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution) error {
	tooLarge := field.Invalid(jobTemplatePath, field.OmitValueType{},
		fmt.Sprintf("the Job is larger than the API server can store, %d bytes: send a smaller payload", render.MaxJobBytes))
	return apierrors.NewInvalid(jobExecutionKind, execution.Name, inTemplate(template.Name, field.ErrorList{tooLarge}))
}

// errorsForCaller returns errs with those about fields that the template does not set as one at the whole Job: such a
// field may be of a policy. Where the template does not name the Job, the execution does.
func errorsForCaller(template *dispatcherv1alpha1.JobTemplate, errs field.ErrorList) field.ErrorList {
	spec := &template.Spec.JobTemplate
	paths := make([]string, len(errs))
	for i, err := range errs {
		paths[i] = err.Field
	}
	inTheTemplate := render.HaveFields(spec, paths)
	var told field.ErrorList
	hasOther := len(errs) == 0
	for i, err := range errs {
		switch {
		case err.Field == jobNamePath.String() && spec.Name == "":
			err.Field = "metadata.name"
			told = append(told, err)
		case inTheTemplate[i]:
			told = append(told, inTemplate(template.Name, field.ErrorList{err})...)
		default:
			hasOther = true
		}
	}
	if hasOther {
		other := field.Invalid(jobTemplatePath, field.OmitValueType{},
			"the API server calls the Job invalid, for a field that the JobTemplate does not set")
		told = append(told, inTemplate(template.Name, field.ErrorList{other})...)
	}
	return told
}

// notTried is the answer where the API server has not judged the Job: 504 if time ran out, else 503. It does not repeat
// what the API server said, which may be about a webhook or another object.
func notTried(execution *dispatcherv1alpha1.JobExecution, err error) error {
	message := fmt.Sprintf("the Job of JobTemplate %q could not be checked: try again later",
		execution.Spec.JobTemplateName)
	if errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) {
		return apierrors.NewTimeoutError(message, 0)
	}
	return apierrors.NewServiceUnavailable(message)
}
