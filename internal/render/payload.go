package render

import (
	"slices"
	"text/template/parse"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// shellSafe are functions whose result is one safe word in a shell script, whatever they are given.
var shellSafe = []string{
	"shellQuote",
	"len",
	"int",
	"int64",
	"float64",
	"atoi",
	"b64enc",
	"b32enc",
	"sha1sum",
	"sha256sum",
	"sha512sum",
	"adler32sum",
}

// printsPayload says whether a template prints something that was made of the payload and is not quoted for a shell. It
// follows variables, and the dot of with and range, but not values that are handed to defined templates.
func printsPayload(text string) bool {
	parsed, err := gotemplate.Parse(text)
	if err != nil {
		return false
	}
	t := tracer{variables: map[string]bool{}}
	t.list(parsed.Main.Root, false)
	for _, tree := range parsed.Defined {
		t.list(tree.Root, false)
	}
	return t.printed
}

// tracer follows the payload through a template.
type tracer struct {
	variables map[string]bool // those that were made of the payload
	printed   bool
}

// list traces a list of nodes. dot says whether dot was made of the payload.
func (t *tracer) list(list *parse.ListNode, dot bool) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.ActionNode:
			if t.pipe(n.Pipe, dot) && len(n.Pipe.Decl) == 0 {
				t.printed = true
			}
		case *parse.IfNode:
			t.pipe(n.Pipe, dot)
			t.list(n.List, dot)
			t.list(n.ElseList, dot)
		case *parse.WithNode:
			t.list(n.List, t.pipe(n.Pipe, dot))
			t.list(n.ElseList, dot)
		case *parse.RangeNode:
			t.list(n.List, t.pipe(n.Pipe, dot))
			t.list(n.ElseList, dot)
		}
	}
}

// pipe says whether the value of a pipeline is made of the payload, and remembers it of the variables that it sets.
func (t *tracer) pipe(pipe *parse.PipeNode, dot bool) bool {
	made := false
	for _, command := range pipe.Cmds {
		made = made || slices.ContainsFunc(command.Args, func(arg parse.Node) bool { return t.operand(arg, dot) })
		if id, ok := command.Args[0].(*parse.IdentifierNode); ok && slices.Contains(shellSafe, id.Ident) {
			made = false
		}
	}
	for _, variable := range pipe.Decl {
		t.variables[variable.Ident[0]] = made
	}
	return made
}

func (t *tracer) operand(node parse.Node, dot bool) bool {
	switch n := node.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return dot || n.Ident[0] == "Payload"
	case *parse.VariableNode:
		return t.variables[n.Ident[0]] || n.Ident[0] == "$" && len(n.Ident) > 1 && n.Ident[1] == "Payload"
	case *parse.ChainNode:
		return t.operand(n.Node, dot)
	case *parse.PipeNode:
		return t.pipe(n, dot)
	}
	return false
}
