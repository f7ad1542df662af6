package webhook

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

// jobTrier tries a Job at the API server. It is a trial.Client, or stands in for one in tests.
type jobTrier interface {
	Try(ctx context.Context, job *batchv1.Job) (trial.Result, error)
}

// tryJobs tries the Jobs that a template was rendered to, in their order, until one is valid. They were made from
// payloads that are made up, so one valid Job is enough. If none is, it returns the result with the fewest errors.
func (v *jobTemplateValidator) tryJobs(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, examined render.Examination,
) (trial.Result, error) {
	var best trial.Result
	for i, job := range examined.Jobs {
		result, err := v.trial.Try(ctx, job)
		switch {
		case err != nil:
			return trial.Result{}, unavailable(err)
		case len(result.Errors) == 0:
			return result, nil
		case i == 0 || len(result.Errors) < len(best.Errors):
			best = result
		}
	}
	if template.Spec.SamplePayload == nil && examined.PayloadFields.MayHelp(best.Errors) {
		needed := field.Required(field.NewPath("spec", "samplePayload"),
			"the Job depends on the payload, and no payload that was tried makes it valid: set this to one that does")
		best.Errors = append(field.ErrorList{needed}, best.Errors...)
	}
	return best, nil
}

// warningsOf returns what the author of a template should know of a Job that is not invalid. A Job that is refused
// now, for example by a quota, may be created later. The name of the Job stands in for another one, so it does not
// matter that it is taken.
func warningsOf(result trial.Result) []string {
	if refusal := result.Refusal; refusal != nil && len(result.Errors) == 0 && !apierrors.IsAlreadyExists(refusal) {
		return append(
			result.Warnings, fmt.Sprintf("a Job of this template would not be created now: %s", refusal.ErrStatus.Message),
		)
	}
	return result.Warnings
}
