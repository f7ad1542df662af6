package render

import (
	"text/template/parse"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// usesMetadata says whether a template can reach .JobTemplate.Labels or .JobTemplate.Annotations. It takes for
// granted that whoever gets .JobTemplate, or all of the data, as a whole reaches them, and so does what does not
// parse. But it follows the data into defined templates.
func usesMetadata(text string) bool {
	parsed, err := gotemplate.Parse(text)
	if err != nil {
		return true
	}
	f := metadataFinder{defined: parsed.Defined, visited: map[visit]bool{}}
	f.list(parsed.Main.Root, knownData{dot: true, dollar: true})
	return f.found
}

// metadataFinder looks for the metadata of the JobTemplate in a template.
type metadataFinder struct {
	defined map[string]*parse.Tree
	visited map[visit]bool
	found   bool
}

// visit is a defined template, and whether it is called with all of the data.
type visit struct {
	name    string
	allData bool
}

// knownData says whether dot and $ are all of the data at some place of a template.
type knownData struct{ dot, dollar bool }

func (f *metadataFinder) list(list *parse.ListNode, in knownData) {
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

func (f *metadataFinder) branches(n *parse.BranchNode, in, inner knownData) {
	f.pipe(n.Pipe, in)
	f.list(n.List, inner)
	f.list(n.ElseList, in)
}

// template follows a call of a defined template.
func (f *metadataFinder) template(n *parse.TemplateNode, in knownData) {
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

func (f *metadataFinder) pipe(pipe *parse.PipeNode, in knownData) {
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			f.operand(arg, in)
		}
	}
}

func (f *metadataFinder) operand(node parse.Node, in knownData) {
	switch n := node.(type) {
	case *parse.DotNode:
		f.found = f.found || in.dot
	case *parse.FieldNode:
		f.found = f.found || in.dot && reachesMetadata(n.Ident)
	case *parse.VariableNode:
		f.found = f.found || in.dollar && n.Ident[0] == "$" && reachesMetadata(n.Ident[1:])
	case *parse.ChainNode:
		f.operand(n.Node, in)
	case *parse.PipeNode:
		f.pipe(n, in)
	}
}

// reachesMetadata says whether these fields of the data, one inside the other, are the metadata or contain it.
func reachesMetadata(fields []string) bool {
	if len(fields) == 0 || fields[0] == "JobTemplate" && len(fields) == 1 {
		return true
	}
	return fields[0] == "JobTemplate" && fields[1] != "Name"
}
