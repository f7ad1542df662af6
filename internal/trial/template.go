package trial

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// Trier tries a Job at the API server. It is a Client, limits one, or stands in for one in tests.
type Trier interface {
	Try(ctx context.Context, job *batchv1.Job) (Result, error)
}

// Verdict is what Dispatcher and the API server think of a JobTemplate.
type Verdict struct {
	// RenderErrors say why the template does not compile or does not render. No Job was tried then.
	RenderErrors field.ErrorList

	// JobErrors say why the Job is invalid.
	JobErrors field.ErrorList

	// Refusal is the API server's answer if it would not create the Job. If there are no JobErrors, that may change
	// without a change of the template.
	Refusal *apierrors.StatusError

	// Job is the Job as the API server would store it. It is nil if it would not.
	Job *batchv1.Job

	// Warnings are about what is legal but most likely not meant.
	Warnings []string
}

// Template judges a template that was examined. It tries the Jobs that the template was rendered to, in their order,
// until one is valid. They were made from payloads that are made up, so one valid Job is enough. If none is, the
// verdict is about the Job with the fewest errors. An error means that the Jobs were not checked; see Client.Try.
func Template(
	ctx context.Context, jobs Trier, template *dispatcherv1alpha1.JobTemplate, examined render.Examination,
) (Verdict, error) {
	verdict := Verdict{RenderErrors: examined.Errors, Warnings: examined.Warnings}
	if len(examined.Errors) > 0 {
		return verdict, nil
	}
	var best Result
	for i, job := range examined.Jobs {
		result, err := jobs.Try(ctx, job)
		if err != nil {
			return verdict, err
		}
		if i == 0 || len(result.Errors) < len(best.Errors) {
			best = result
		}
		if len(result.Errors) == 0 {
			break
		}
	}
	if template.Spec.SamplePayload == nil && examined.PayloadFields.MayHelp(best.Errors) {
		needed := field.Required(field.NewPath("spec", "samplePayload"),
			"the Job depends on the payload, and no payload that was tried makes it valid: set this to one that does")
		best.Errors = append(field.ErrorList{needed}, best.Errors...)
	}
	verdict.Job = best.Job
	verdict.JobErrors = best.Errors
	verdict.Warnings = append(verdict.Warnings, best.Warnings...)
	// The name of the Job stands in for another one, so it does not matter that it is taken.
	if best.Refusal != nil && !apierrors.IsAlreadyExists(best.Refusal) {
		verdict.Refusal = best.Refusal
	}
	return verdict, nil
}
