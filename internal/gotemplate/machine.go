package gotemplate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"text/template"
	"unicode/utf8"
)

// The names of the functions that Compile puts into the templates. No template can call them itself: they are not
// known.
const (
	emitFunction    = "_emit"    // at the end of each action that prints
	rangeFunction   = "_range"   // at the end of what a range is over
	iterateFunction = "_iterate" // at the head of each loop body
	enterFunction   = "_enter"   // at the head of each defined template
	leaveFunction   = "_leave"   // at its end
	fieldFunction   = "_field"   // in place of fields of values whose type is not known
)

// machine runs the templates of one set, one render at a time. It is what the set's functions are bound to.
type machine struct {
	budget
	templates []*template.Template

	// out is the output of the source being rendered. literal is where the author's own text begins that is being
	// written to it.
	out     []byte
	literal int
	escape  Escaper
	// leftOut says that the source being rendered has printed what leaveOut gives.
	leftOut bool
	// refusesLeftOut says that to print what leaveOut gives is an error.
	refusesLeftOut bool
}

var errPanic = errors.New("cannot be rendered")

// newMachine returns a machine for s.
func newMachine(s *Set) *machine {
	m := &machine{}
	bound := template.FuncMap{
		emitFunction:    m.emit,
		rangeFunction:   m.ranged,
		iterateFunction: m.budget.iterate,
		enterFunction:   m.budget.enter,
		leaveFunction:   m.budget.leave,
		fieldFunction:   fieldOf,
	}
	for name := range s.calls {
		bound[name] = guard(name, &m.budget)
	}
	set := template.New("").Funcs(bound)
	for _, tree := range s.trees {
		// The only error is an empty template that would replace another one: all names are different here.
		template.Must(set.AddParseTree(tree.Name, tree))
	}
	for i := range s.sources {
		m.templates = append(m.templates, set.Lookup(mainName(i)))
	}
	return m
}

// start begins a render.
func (m *machine) start(ctx context.Context, limits limits) {
	m.budget = newBudget(ctx, limits)
}

// run renders the i-th source. That leaveOut is not all that it prints is known at its end, so it is run again to learn
// which action gave that.
func (m *machine) run(i int, escape Escaper, data any) (Rendered, error) {
	rendered, err := m.execute(i, escape, data)
	if !errors.Is(err, errLeftOutBeside) {
		return rendered, err
	}
	m.refusesLeftOut = true
	_, placed := m.execute(i, escape, data)
	m.refusesLeftOut = false
	if errors.Is(placed, errLeftOutBeside) {
		err = placed
	}
	return Rendered{}, err
}

// execute renders the i-th source.
func (m *machine) execute(i int, escape Escaper, data any) (rendered Rendered, err error) {
	// text/template passes on panics that are not its own. Not one is known.
	defer func() {
		if r := recover(); r != nil {
			err = errPanic
		}
	}()
	if cap(m.out) > 64<<10 {
		m.out = nil
	}
	m.out, m.literal, m.escape, m.hint, m.binaryFrom = m.out[:0], 0, escape, "", ""
	m.depth, m.levels, m.leftOut = 0, 0, false
	if err := m.templates[i].Execute(m, data); err != nil {
		return Rendered{}, err
	}
	switch {
	case !utf8.Valid(m.out):
		return Rendered{}, errUTF8
	case m.leftOut && len(bytes.TrimSpace(m.out)) > 0:
		return Rendered{}, errLeftOutBeside
	case m.leftOut:
		return Rendered{LeftOut: true}, nil
	}
	return Rendered{Text: string(m.out)}, nil
}

// Write takes the author's literal text, and nothing for each action: what actions print comes to emit.
func (m *machine) Write(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	if err := m.write(len(text)); err != nil {
		return 0, err
	}
	m.out = append(m.out, text...)
	return len(text), nil
}

// emit prints what an action gives.
func (m *machine) emit(value reflect.Value) (string, error) {
	if v := indirect(value); v.IsValid() && v.Type() == leftOutType {
		m.leftOut = true
		if m.refusesLeftOut {
			return "", errLeftOutBeside
		}
		return "", m.step(1)
	}
	text, err := m.print(value)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(text) {
		return "", &binaryError{m.binaryFrom}
	}
	if m.escape != nil {
		m.out = m.escape.Literal(m.out, m.literal)
		text = m.escape.Action(text)
	}
	if err := m.write(len(text)); err != nil {
		return "", err
	}
	m.out = append(m.out, text...)
	m.literal = len(m.out)
	return "", m.step(1)
}

// print returns what text/template would print of value, but for what is missing.
func (m *machine) print(value reflect.Value) (string, error) {
	value = indirect(value)
	if value.Kind() == reflect.String {
		return value.String(), nil
	}
	if !value.IsValid() {
		return "", errMissing
	}
	if value.CanComplex() {
		return "", fmt.Errorf("%s cannot be printed", typeName(plain(value)))
	}
	printed := plain(value)
	e, err := m.measure(printed)
	if err != nil {
		return "", err
	}
	if e.missing > 0 {
		return "", fmt.Errorf("%s %w", partMissing, errMissing)
	}
	if err := errors.Join(m.walk(e), m.fits(e.printed(1))); err != nil {
		return "", err
	}
	return fmt.Sprint(shown(printed)), nil
}

// ranged refuses what text/template cannot range over, which it would print, and takes the steps of sorting a map.
func (m *machine) ranged(value reflect.Value) (reflect.Value, error) {
	switch over := indirect(value); over.Kind() {
	case reflect.Map:
		return value, m.step(over.Len())
	case reflect.Invalid, reflect.Slice, reflect.Array:
		return value, nil
	default:
		if over.CanInt() || over.CanUint() {
			return value, nil
		}
		return value, fmt.Errorf("cannot range over %s", typeName(plain(over)))
	}
}
