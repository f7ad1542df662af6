package render

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Renderer is the one entry for "template and execution make a Job". Direct renders in this process, for tests and for
// tools that a user runs on templates of their own; the manager renders in a process that may die.
type Renderer interface {
	// Job renders the Job of execution, ready to be created. template is as the API server stored it. The errors name
	// fields of the template and do not quote its text: whoever may run it need not be allowed to read it.
	Job(
		ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
	) (*batchv1.Job, field.ErrorList)

	// Render is Job for admission, which has to know more of a Job.
	Render(
		ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
	) Rendering

	// Examine compiles a template, renders it with trial payloads, and looks for what is legal but most likely not
	// meant. The template need not be stored.
	Examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) Examination
}

// MaxJobBytes is etcd's limit: a larger Job, in the form of protobuf, cannot be stored.
const MaxJobBytes = 3 << 19

// Rendering is the Job of an execution, or why there is none.
type Rendering struct {
	// Job and Errors are what Renderer.Job returns.
	Job    *batchv1.Job
	Errors field.ErrorList

	// NeedsTrial says that a field which the API server validates may depend on the execution: it may call this Job
	// invalid although it has accepted another one of this template. Where it is false, the API server accepts this Job
	// if it has accepted that of a trial payload.
	NeedsTrial bool
}

// Examination is what admission has to know of a template.
type Examination struct {
	// Errors say why the template does not compile, or does not render with its samplePayload or with any trial
	// payload.
	Errors field.ErrorList

	// Warnings say what is legal but most likely not meant, in a template that compiles.
	Warnings []string

	// Jobs are what the trial payloads made, one or two of them, none if there are errors. Where the API server refuses
	// the first, it may take the second: the payloads were made up.
	Jobs []*batchv1.Job

	// PayloadFields are the strings of a template that compiles that the payload can change.
	PayloadFields PayloadFields

	// UsesMetadata says that a string of the template can reach .JobTemplate.Labels or .JobTemplate.Annotations, so
	// that a change of either can change what runs. It is also set where the template does not compile.
	UsesMetadata bool
}

// secondPayload is the trial payload of an Examination's second Job.
const secondPayload = ""

// Direct renders in this process. It is safe for concurrent use.
type Direct struct{ programs *cache }

// NewDirect returns a renderer that keeps the compiled programs of at most size templates.
func NewDirect(size int) *Direct { return &Direct{programs: newCache(size)} }

var _ Renderer = &Direct{}

// Job implements Renderer.
func (d *Direct) Job(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	rendering := d.Render(ctx, template, execution)
	return rendering.Job, rendering.Errors
}

// Render implements Renderer.
func (d *Direct) Render(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) Rendering {
	program, errs := d.programs.program(template)
	if len(errs) > 0 {
		return Rendering{Errors: withoutValues(errs)}
	}
	job, errs := program.job(ctx, template, execution)
	return Rendering{Job: job, Errors: errs, NeedsTrial: program.needsTrial}
}

// Examine implements Renderer.
func (d *Direct) Examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) Examination {
	excess := excessFields(template)
	program, errs := d.programs.program(template)
	if len(errs) > 0 {
		return Examination{Errors: append(excess, errs...), UsesMetadata: true}
	}
	result := Examination{
		UsesMetadata:  program.usesMetadata,
		PayloadFields: program.payloadFields(),
		Warnings:      findWarnings(ctx, template),
		Errors:        excess,
	}
	if len(excess) > 0 {
		return result
	}
	job, errs := program.trialJob(ctx, template)
	if len(errs) > 0 {
		result.Errors = errs
		return result
	}
	result.Jobs = []*batchv1.Job{job}
	if template.Spec.SamplePayload != nil {
		return result
	}
	second := template.DeepCopy()
	second.Spec.SamplePayload = new(secondPayload)
	if other, errs := program.trialJob(ctx, second); len(errs) == 0 && !equality.Semantic.DeepEqual(job, other) {
		result.Jobs = append(result.Jobs, other)
	}
	return result
}
