package gotemplate

import (
	"context"
	"sync"
	"text/template/parse"
)

// Set is a number of compiled templates that are rendered together. It is immutable and safe for concurrent use.
type Set struct {
	sources []Source
	trees   []*parse.Tree
	calls   map[string]bool // the functions that are called
	limits  limits
	nodes   int

	// machines are kept for the next render: their functions are bound to them.
	machines sync.Pool
}

// Rendered is what a template rendered to.
type Rendered struct {
	Text string
	// LeftOut says that the template asks to leave out what it stands for, by the function leaveOut. Text is then empty.
	LeftOut bool
}

// Render renders all templates of the set for data, and calls set with the number of each source and what it rendered
// to. They share one budget. All errors are reported, up to 50, except that one that would come again for each
// further template ends the render. It ends early when ctx ends.
func (s *Set) Render(ctx context.Context, data any, set func(source int, rendered Rendered)) (errs []Error) {
	if len(s.sources) == 0 {
		return nil
	}
	m, ok := s.machines.Get().(*machine)
	if !ok {
		m = newMachine(s)
	}
	m.start(ctx, s.limits)
	for i, source := range s.sources {
		rendered, err := m.run(i, source.Escape, data)
		if err == nil {
			set(i, rendered)
			continue
		}
		errs = append(errs, renderError(i, source.Text, err, m.hint))
		if ends(err) {
			return errs
		}
		if len(errs) == maxErrors {
			return append(errs, tooManyErrors)
		}
	}
	m.ctx, m.meter = nil, meter{}
	s.machines.Put(m)
	return errs
}

// Bytes estimates the memory that the set takes.
func (s *Set) Bytes() int {
	const perNode, perTree = 200, 500
	return s.nodes*perNode + len(s.trees)*perTree
}
