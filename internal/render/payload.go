package render

import (
	"slices"
	"text/template/parse"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// trace says what a value has of the payload.
type trace int

const (
	// clean has nothing of it.
	clean trace = iota
	// allData is the data of the template, which has the payload in a field.
	allData
	// fromPayload is made of the payload.
	fromPayload
)

// payloadFields are the fields of the data that are made of the payload.
var payloadFields = map[string]bool{"Payload": true, "Data": true}

// field is the trace of a chain of fields of a value.
func (r trace) field(names []string) trace {
	if r != allData || len(names) == 0 {
		return r
	}
	if payloadFields[names[0]] {
		return fromPayload
	}
	return clean
}

// printed is the trace of a value that is printed, or handed to a function.
func (r trace) printed() trace {
	if r == allData {
		return fromPayload
	}
	return r
}

// payloadPrinted returns the first action of a template that prints something that was made of the payload, and is
// not safe in a script of the language. It follows variables, the dot of with and range, and calls of defined
// templates. It returns nil if there is none, or if the template does not parse.
func payloadPrinted(text string, in *language) *parse.ActionNode {
	if !isTemplate(text) {
		return nil
	}
	parsed, err := gotemplate.Parse(text)
	if err != nil {
		return nil
	}
	t := tracer{defined: parsed.Defined, visited: map[call]bool{}, language: in}
	t.template(parsed.Main.Root, allData)
	return t.found
}

// tracer follows the payload through a template.
type tracer struct {
	defined  map[string]*parse.Tree
	visited  map[call]bool
	language *language
	found    *parse.ActionNode

	variables []variableTrace
	// block is the number of variables that were declared outside of the innermost block.
	block int
	// loops is how many loops the place is in.
	loops int
}

// call is a call of a defined template.
type call struct {
	name string
	dot  trace
}

// variableTrace is a variable of a template. Its name begins with $.
type variableTrace struct {
	name string
	trace
}

// template traces a template with a stack of variables of its own.
func (t *tracer) template(root *parse.ListNode, dot trace) {
	inner := *t
	inner.variables, inner.block, inner.loops = []variableTrace{{"$", dot}}, 0, 0
	inner.list(root, dot)
	t.found = inner.found
}

func (t *tracer) list(list *parse.ListNode, dot trace) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		if t.found != nil {
			return
		}
		switch n := node.(type) {
		case *parse.ActionNode:
			if t.pipe(n.Pipe, dot).printed() == fromPayload && len(n.Pipe.Decl) == 0 {
				t.found = n
			}
		case *parse.IfNode:
			t.branches(&n.BranchNode, dot, func(trace) trace { return dot })
		case *parse.WithNode:
			t.branches(&n.BranchNode, dot, func(value trace) trace { return value })
		case *parse.RangeNode:
			t.branches(&n.BranchNode, dot, trace.printed)
		case *parse.TemplateNode:
			t.call(n, dot)
		}
	}
}

// maxLoopTraces is how often the body of a loop is traced: a variable may get the payload at its end and be printed
// at its beginning.
const maxLoopTraces = 3

// branches traces a block. inner returns the dot in it, from the value of its pipeline.
func (t *tracer) branches(n *parse.BranchNode, dot trace, inner func(trace) trace) {
	variables, block := len(t.variables), t.block
	end := func() { t.variables, t.block = t.variables[:variables], block }
	t.block = variables
	value := t.pipe(n.Pipe, dot)
	times := 1
	if n.NodeType == parse.NodeRange {
		if t.loops == 0 { // Loops in it are traced as often.
			times = maxLoopTraces
		}
		t.loops++
	}
	declared := len(t.variables)
	for range times {
		t.list(n.List, inner(value))
		t.variables = t.variables[:declared]
	}
	if n.NodeType == parse.NodeRange {
		t.loops--
	}
	t.list(n.ElseList, dot)
	end()
}

// call traces a defined template for each kind of dot once.
func (t *tracer) call(n *parse.TemplateNode, dot trace) {
	called := call{name: n.Name}
	if n.Pipe != nil {
		called.dot = t.pipe(n.Pipe, dot)
	}
	if tree := t.defined[n.Name]; tree != nil && !t.visited[called] {
		t.visited[called] = true
		t.template(tree.Root, called.dot)
	}
}

// pipe returns the trace of a pipeline, and notes that of the variables that it sets.
func (t *tracer) pipe(pipe *parse.PipeNode, dot trace) trace {
	if pipe == nil {
		return clean
	}
	value := clean
	for i, command := range pipe.Cmds {
		value = t.command(command, dot, value, i > 0)
	}
	for _, variable := range pipe.Decl {
		t.set(variable.Ident[0], value, !pipe.IsAssign)
	}
	return value
}

// set declares a variable, or sets one. One that is set in a block that may not be run keeps what it may have been.
func (t *tracer) set(name string, value trace, declare bool) {
	if declare {
		t.variables = append(t.variables, variableTrace{name, value})
		return
	}
	for i := len(t.variables) - 1; i >= 0; i-- {
		if v := &t.variables[i]; v.name == name {
			if i < t.block {
				value = max(value, v.trace)
			}
			v.trace = value
			return
		}
	}
}

func (t *tracer) variable(name string) trace {
	for _, v := range slices.Backward(t.variables) {
		if v.name == name {
			return v.trace
		}
	}
	return clean
}

// command returns the trace of a command of a pipeline, which gets the value of the one before it.
func (t *tracer) command(command *parse.CommandNode, dot, before trace, piped bool) trace {
	var args []trace
	for _, arg := range command.Args[1:] {
		args = append(args, t.operand(arg, dot).printed())
	}
	if piped {
		args = append(args, before.printed())
	}
	if function, ok := command.Args[0].(*parse.IdentifierNode); ok {
		return t.language.result(function.Ident, command.Args[1:], args)
	}
	value := t.operand(command.Args[0], dot)
	for _, arg := range args { // of a method
		value = max(value, arg)
	}
	return value
}

func (t *tracer) operand(node parse.Node, dot trace) trace {
	switch n := node.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return dot.field(n.Ident)
	case *parse.VariableNode:
		return t.variable(n.Ident[0]).field(n.Ident[1:])
	case *parse.ChainNode:
		return t.operand(n.Node, dot).field(n.Field)
	case *parse.PipeNode:
		return t.pipe(n, dot)
	case *parse.IdentifierNode:
		return t.language.result(n.Ident, nil, nil)
	}
	return clean
}
