package render

import (
	"text/template/parse"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// dataUse is what a template can reach of its data.
type dataUse struct {
	// payload is .Payload, and what is made of it.
	payload bool
	// metadata is .JobTemplate.Labels and .JobTemplate.Annotations.
	metadata bool
	// execution is all that may differ between executions: data that is not in .Namespace or .JobTemplate, and what
	// functions return that are not repeatable.
	execution bool
}

// usedData says what a template can reach. It takes for granted that whoever gets .JobTemplate, or all of the data, as
// a whole reaches all that is in it, and so does what does not parse. But it follows the data into defined templates.
func usedData(text string) dataUse {
	parsed, err := gotemplate.Parse(text)
	if err != nil {
		return dataUse{payload: true, metadata: true, execution: true}
	}
	f := useFinder{defined: parsed.Defined, visited: map[visit]bool{}}
	f.list(parsed.Main.Root, knownData{dot: true, dollar: true})
	return f.found
}

// useFinder looks for what a template uses of its data.
type useFinder struct {
	defined map[string]*parse.Tree
	visited map[visit]bool
	found   dataUse
}

// visit is a defined template, and whether it is called with all of the data.
type visit struct {
	name    string
	allData bool
}

// knownData says whether dot and $ are all of the data at some place of a template.
type knownData struct{ dot, dollar bool }

func (f *useFinder) list(list *parse.ListNode, in knownData) {
	if list == nil {
		return
	}
	// Where dot changes to something else, that is not all of the data: else f.pipe has found it.
	inner := knownData{dollar: in.dollar}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.ActionNode:
			f.pipe(n.Pipe, in)
		case *parse.IfNode:
			f.branches(&n.BranchNode, in, in)
		case *parse.WithNode:
			f.branches(&n.BranchNode, in, inner)
		case *parse.RangeNode:
			f.branches(&n.BranchNode, in, inner)
		case *parse.TemplateNode:
			f.template(n, in)
		}
	}
}

func (f *useFinder) branches(n *parse.BranchNode, in, inner knownData) {
	f.pipe(n.Pipe, in)
	f.list(n.List, inner)
	f.list(n.ElseList, in)
}

// template follows a call of a defined template.
func (f *useFinder) template(n *parse.TemplateNode, in knownData) {
	called := visit{name: n.Name, allData: n.Pipe != nil && isAllData(n.Pipe, in)}
	if n.Pipe != nil && !called.allData {
		f.pipe(n.Pipe, in)
	}
	if tree := f.defined[n.Name]; tree != nil && !f.visited[called] {
		f.visited[called] = true
		f.list(tree.Root, knownData{dot: called.allData, dollar: called.allData})
	}
}

// isAllData says whether a pipeline is nothing but a dot or $ that is all of the data.
func isAllData(pipe *parse.PipeNode, in knownData) bool {
	if len(pipe.Decl) > 0 || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	switch n := pipe.Cmds[0].Args[0].(type) {
	case *parse.DotNode:
		return in.dot
	case *parse.VariableNode:
		return in.dollar && len(n.Ident) == 1 && n.Ident[0] == "$"
	}
	return false
}

func (f *useFinder) pipe(pipe *parse.PipeNode, in knownData) {
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			f.operand(arg, in)
		}
	}
}

func (f *useFinder) operand(node parse.Node, in knownData) {
	switch n := node.(type) {
	case *parse.DotNode:
		f.use(in.dot, nil)
	case *parse.IdentifierNode:
		f.found.execution = f.found.execution || !repeatable[n.Ident]
	case *parse.FieldNode:
		f.use(in.dot, n.Ident)
	case *parse.VariableNode:
		f.use(in.dollar && n.Ident[0] == "$", n.Ident[1:])
	case *parse.ChainNode:
		f.operand(n.Node, in)
	case *parse.PipeNode:
		f.pipe(n, in)
	}
}

// use notes that these fields are used, one inside the other, if they are those of the data.
func (f *useFinder) use(ofData bool, fields []string) {
	switch {
	case !ofData:
		return
	case len(fields) == 0:
		f.found = dataUse{payload: true, metadata: true, execution: true}
		return
	case fields[0] != "Namespace" && fields[0] != "JobTemplate":
		f.found.execution = true
	}
	switch {
	case payloadFields[fields[0]]:
		f.found.payload = true
	case fields[0] == "JobTemplate" && (len(fields) == 1 || fields[1] != "Name"):
		f.found.metadata = true
	}
}
