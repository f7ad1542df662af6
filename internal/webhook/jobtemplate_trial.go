package webhook

import (
	"context"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// secondPayload is what a template without samplePayload is tried with when the API server does not like the Job of the
// first synthetic payload that rendered, which is a word where a word renders.
const secondPayload = ""

// try renders template and asks the API server what it thinks of the Job. The error is a refusal too, when the template
// does not render.
func (v *jobTemplateValidator) try(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) (verdict, error) {
	// The program is not kept: this generation may never be stored.
	program, errs := render.Compile(&template.Spec.JobTemplate)
	if len(errs) > 0 {
		return verdict{}, notRendered(jobTemplateKind, template.Name, errs)
	}
	job, errs := dryRunRender(ctx, program, template)
	if len(errs) > 0 {
		return verdict{}, notRendered(jobTemplateKind, template.Name, errs)
	}
	first, err := dryRunCreate(ctx, v.direct, job)
	if err != nil || len(first.errs) == 0 || template.Spec.SamplePayload != nil {
		return first, err
	}

	// The payload was made up. Another one may do, or change what is wrong.
	second := template.DeepCopy()
	second.Spec.SamplePayload = new(secondPayload)
	secondJob, errs := dryRunRender(ctx, program, second)
	if len(errs) > 0 || equality.Semantic.DeepEqual(job, secondJob) {
		return first, nil
	}
	result, err := dryRunCreate(ctx, v.direct, secondJob)
	if err == nil && len(result.errs) > 0 && !slices.EqualFunc(first.errs, result.errs, sameError) {
		return result.askForSample(), nil
	}
	return result, err
}

// dryRunRender renders template with its sample or synthetic payloads, within its share of the time.
func dryRunRender(ctx context.Context, program *render.Program, template *dispatcherv1alpha1.JobTemplate) (*batchv1.Job, field.ErrorList) {
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	return render.DryRun(ctx, program, template)
}

func sameError(a, b *field.Error) bool { return a.Error() == b.Error() }

// askForSample adds that a samplePayload is missing, to errors that depend on the payload.
func (v verdict) askForSample() verdict {
	v.errs = append(v.errs, field.Required(field.NewPath("spec", "samplePayload"),
		"the Job depends on the payload, and was tried with made-up ones: set this to one that makes it valid"))
	return v
}
