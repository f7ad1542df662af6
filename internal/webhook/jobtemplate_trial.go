package webhook

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/trial"
)

// jobTrier tries a Job at the API server. It is a trial.Client, or stands in for one in tests.
type jobTrier interface {
	Try(ctx context.Context, job *batchv1.Job) (trial.Result, error)
}

// tryJobs tries the Jobs that a template was rendered to, in their order, until one is valid. They were made from
// payloads that are made up, so one valid Job is enough.
func (v *jobTemplateValidator) tryJobs(ctx context.Context, jobs []*batchv1.Job) (trial.Result, error) {
	var first trial.Result
	for i, job := range jobs {
		result, err := v.trial.Try(ctx, job)
		if err != nil {
			return trial.Result{}, unavailable(err)
		}
		switch {
		case len(result.Errors) == 0:
			return result, nil
		case i == 0:
			first = result
		case !slices.EqualFunc(first.Errors, result.Errors, sameError):
			needed := field.Required(field.NewPath("spec", "samplePayload"),
				"the Job depends on the payload, and no payload that was tried makes it valid: set this to one that does")
			result.Errors = append(field.ErrorList{needed}, result.Errors...)
			return result, nil
		}
	}
	return first, nil
}

func sameError(a, b *field.Error) bool { return a.Error() == b.Error() }

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
