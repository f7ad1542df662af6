package render

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// syntheticPayloads are tried where a template has no samplePayload: a text that can be a name, a label or an image,
// nothing, an empty JSON object and an empty list.
var syntheticPayloads = []string{"text", "", "{}", "[]"}

// trialJob renders template as an execution would: with its samplePayload where it has one, else with synthetic
// payloads, of which one must do. The Job that it returns has no owner, since there is no execution.
func (p *program) trialJob(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate,
) (*batchv1.Job, field.ErrorList) {
	template = named(template)
	fields := p.payloadFields()
	if sample := template.Spec.SamplePayload; sample != nil {
		job, errs := p.tryPayload(ctx, template, *sample)
		return job, fields.renderedWith("spec.samplePayload", errs)
	}
	var best field.ErrorList
	for _, payload := range syntheticPayloads {
		job, errs := p.tryPayload(ctx, template, payload)
		if len(errs) == 0 {
			return job, nil
		}
		if len(fields) == 0 || Retryable(errs) {
			return nil, errs
		}
		if best == nil || len(errs) < len(best) || payload == "{}" && len(errs) == len(best) {
			best = fields.renderedWith(fmt.Sprintf("the payload %q", payload), errs)
		}
	}
	if !fields.MayHelp(best) {
		return nil, best
	}
	needed := field.Required(
		field.NewPath("spec", "samplePayload"),
		`the template renders with none of the payloads that were tried ("text", "", "{}" and "[]"): `+
			`set this to one that it accepts`,
	)
	return nil, append(field.ErrorList{needed}, best...)
}

// renderedWith adds to those of errs that depend on the payload with which one the template was rendered.
func (f PayloadFields) renderedWith(payload string, errs field.ErrorList) field.ErrorList {
	for _, err := range errs {
		if f.mayHelp(err) {
			err.Detail += " (rendered with " + payload + ")"
		}
	}
	return errs
}

// tryPayload renders template with one payload. The errors are for its author.
func (p *program) tryPayload(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, payload string,
) (*batchv1.Job, field.ErrorList) {
	data := newData(template, trialExecution(template, payload))
	rendered, errs := p.render(ctx, data, p.fieldErrors)
	if len(errs) > 0 {
		return nil, errs
	}
	return jobOf(rendered, template, data)
}

// named returns template with a name: one that is to be created with generateName has none yet at admission.
func named(template *dispatcherv1alpha1.JobTemplate) *dispatcherv1alpha1.JobTemplate {
	if template.Name != "" {
		return template
	}
	template = template.DeepCopy()
	template.Name = template.GenerateName + "00000"
	return template
}

// trialExecution returns an execution that is not stored. Its caller is made up, and its name is as long as those that
// the HTTP API makes.
func trialExecution(template *dispatcherv1alpha1.JobTemplate, payload string) *dispatcherv1alpha1.JobExecution {
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Name = ExecutionName(template.Name, "0123456789", NameRuleOf(template))
	execution.Spec.Payload = payload
	execution.Spec.Caller = &dispatcherv1alpha1.Caller{Username: "alice", Via: dispatcherv1alpha1.CallerViaHTTP}
	return execution
}
