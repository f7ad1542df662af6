package render

import (
	"context"
	"reflect"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// program is a compiled jobTemplate. It is immutable and safe for concurrent use.
type program struct {
	spec    *batchv1.JobTemplateSpec
	strings []templatedString
	set     *gotemplate.Set // of the strings
	// usesMetadata says that it may depend on the labels or annotations of the JobTemplate.
	usesMetadata bool
	// needsTrial says that the API server validates some of it that may depend on the execution.
	needsTrial bool
}

// templatedString is a string of the Job that is a template.
type templatedString struct {
	place
	text string
	// usesPayload says that what it renders to may depend on the payload.
	usesPayload bool
	// usesExecution says that it may differ between executions.
	usesExecution bool
}

// compile parses every templated string of spec once. It reports every string that does not parse, or that uses an
// unknown function or an unknown field, at its path below spec.jobTemplate. The spec is copied: the caller may change
// it afterwards.
func compile(spec *batchv1.JobTemplateSpec) (*program, field.ErrorList) {
	p := &program{spec: spec.DeepCopy()}
	var sources []gotemplate.Source
	walk(p.spec, func(at func() place, text string) {
		if len(sources) > gotemplate.MaxParts || !strings.Contains(text, "{{") {
			return // With so many, the templates are refused.
		}
		s := templatedString{place: at(), text: text}
		source := gotemplate.Source{Text: text}
		if expandedFields[s.fields] {
			source.Escape = kubeletEscaper{}
		}
		sources = append(sources, source)
		p.strings = append(p.strings, s)
	})
	set, problems := gotemplate.Compile(sources, reflect.TypeFor[renderData]())
	if len(problems) > 0 {
		errs := p.fieldErrors(problems)
		return nil, errs
	}
	p.set = set
	for i := range p.strings {
		used := usedData(p.strings[i].text)
		p.strings[i].usesPayload, p.strings[i].usesExecution = used.payload, used.execution
		p.usesMetadata = p.usesMetadata || used.metadata
	}
	p.needsTrial = reachesValidated(p.spec, p.strings)
	return p, nil
}

// renderedSpec is a jobTemplate whose templates were rendered.
type renderedSpec struct {
	*batchv1.JobTemplateSpec
	left leftOut
}

// render runs every template of the program and returns a new jobTemplate without any, or all the errors, each at its
// path below spec.jobTemplate. It ends early when ctx ends, and in any case within the budget of gotemplate. Use
// Retryable to tell errors that say nothing about the template.
//
// told makes the errors of problems: fieldErrors for the author of the template, redactedErrors for its callers.
func (p *program) render(
	ctx context.Context, data renderData, told func([]gotemplate.Error) field.ErrorList,
) (renderedSpec, field.ErrorList) {
	spec, omitted := p.spec.DeepCopy(), omission{}
	problems := p.set.Render(ctx, data.values(), func(i int, rendered Rendered) {
		omitted.put(p.strings[i].place, spec, rendered)
	})
	if len(problems) > 0 {
		return renderedSpec{}, told(problems)
	}
	left := omitted.apply(spec)
	if errs := checkProcesses(spec); len(errs) > 0 {
		return renderedSpec{}, left.inTemplate(errs)
	}
	return renderedSpec{spec, left}, nil
}

// bytes estimates the memory that the program takes.
func (p *program) bytes() int {
	// Structs take more than protobuf does. 512 is for the place of a string, which is longer than most strings.
	return p.set.Bytes() + 4*p.spec.Size() + 512*len(p.strings)
}
