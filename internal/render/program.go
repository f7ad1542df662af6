package render

import (
	"context"
	"sync"
	"text/template/parse"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Program is a compiled jobTemplate. It is immutable and safe for concurrent use.
type Program struct {
	spec    *batchv1.JobTemplateSpec
	strings []templated
	trees   []*parse.Tree
	calls   map[string]bool
	limits  limits
	// usesPayload says that what is rendered may depend on the payload.
	usesPayload bool

	// machines are kept for the next render: their functions are bound to them.
	machines sync.Pool
}

// Render runs every template of the program and returns a new jobTemplate without any, or all the errors, each at its
// path below spec.jobTemplate. It ends early when ctx ends, and in any case within the package's budget. Use Retryable
// to tell errors that say nothing about the template.
func (p *Program) Render(ctx context.Context, data Data) (*batchv1.JobTemplateSpec, field.ErrorList) {
	spec := p.spec.DeepCopy()
	errs, ended := p.run(ctx, spec, data)
	if !ended {
		errs = append(errs, checkProcesses(spec)...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return spec, nil
}

// run sets the strings of spec, which is a copy of the program's. It ends at the first limit that is reached.
func (p *Program) run(ctx context.Context, spec *batchv1.JobTemplateSpec, data Data) (errs field.ErrorList, ended bool) {
	if len(p.strings) == 0 {
		return nil, false
	}
	m, ok := p.machines.Get().(*machine)
	if !ok {
		m = newMachine(p)
	}
	m.start(ctx, p.limits)
	var dot any = data.values()
	for i, s := range p.strings {
		text, err := m.run(i, s.expanded, dot)
		if err != nil {
			errs = append(errs, renderError(s, err, m.hint))
			if ends(err) {
				return errs, true
			}
			if len(errs) == maxErrors {
				return append(errs, tooManyErrors()), true
			}
			continue
		}
		s.set(spec, text)
	}
	m.ctx = nil
	p.machines.Put(m)
	return errs, false
}
