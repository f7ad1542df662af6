package gotemplate

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

// MaxParts is how many sources and nodes of parse trees one set may have together. A node takes some 200 bytes.
const MaxParts = 20_000

const (
	// maxTemplate is how many bytes one template may have: as many as the kernel takes in one argument of a process.
	maxTemplate = 128 << 10
	// maxBlocks is how deep actions and parentheses may be nested.
	maxBlocks = 200
)

// problem is one thing that is wrong with a template.
type problem struct {
	pos     parse.Pos
	message string
	// line is the offset of the line that is wrong, where only that is known.
	line int
	// foreign says that the action may be meant for another program.
	foreign bool
}

// checker checks the parse trees of one source, and puts into them the calls that bound them.
type checker struct {
	defined  map[string]*parse.Tree // by the names of the author
	rename   func(string) string    // from the author's names to those in the program
	calls    map[string]bool        // the functions that are called
	problems []problem
	nodes    int
	depth    int
	// levels is how deep blocks are nested here, and deepest is how deep they were in the tree.
	levels, deepest int
}

// tree checks one tree. root is the type of its $, nil if it is not known.
func (c *checker) tree(root *parse.ListNode, dot reflect.Type) {
	c.deepest = 0
	c.list(root, scope{dot: dot, root: dot})
}

// scope is what is known of the data at some place of a template: the types of dot and of $, nil where not known.
type scope struct{ dot, root reflect.Type }

// report notes a problem. What an author wrote may be repeated in it, and may be as long as a template may be.
func (c *checker) report(pos parse.Pos, format string, args ...any) {
	c.problems = append(c.problems, problem{pos: pos, message: Abridge(fmt.Sprintf(format, args...))})
}

// reportForeign is report for what another program may understand.
func (c *checker) reportForeign(pos parse.Pos, format string, args ...any) {
	c.report(pos, format, args...)
	c.problems[len(c.problems)-1].foreign = true
}

// count counts a node and says whether to go on.
func (c *checker) count(pos parse.Pos) bool {
	c.nodes++
	switch {
	case c.nodes == MaxParts+1:
		c.report(pos, "all templates together may have at most %d parts", MaxParts)
	case c.depth == maxBlocks+1:
		c.report(pos, "%v", errBlocks)
		c.nodes = MaxParts + 1
	}
	return c.nodes <= MaxParts
}

func (c *checker) list(list *parse.ListNode, in scope) {
	if list == nil {
		return
	}
	c.depth++
	c.levels++
	c.deepest = max(c.deepest, c.levels)
	defer func() { c.depth--; c.levels-- }()
	for _, node := range list.Nodes {
		if !c.count(node.Position()) {
			return
		}
		switch n := node.(type) {
		case *parse.ActionNode:
			c.pipe(n.Pipe, in)
			if len(n.Pipe.Decl) == 0 {
				appendCall(n.Pipe, emitFunction)
			}
		case *parse.IfNode:
			c.pipe(n.Pipe, in)
			c.list(n.List, in)
			c.list(n.ElseList, in)
		case *parse.WithNode:
			c.list(n.List, scope{dot: c.pipe(n.Pipe, in), root: in.root})
			c.list(n.ElseList, in)
		case *parse.RangeNode:
			c.pipe(n.Pipe, in)
			c.list(n.List, scope{root: in.root})
			c.list(n.ElseList, in)
			appendCall(n.Pipe, rangeFunction)
			n.List.Nodes = slices.Insert(n.List.Nodes, 0, action(n.Pos, iterateFunction))
		case *parse.TemplateNode:
			c.template(n, in)
		}
	}
}

func (c *checker) template(n *parse.TemplateNode, in scope) {
	if n.Pipe != nil {
		c.pipe(n.Pipe, in)
	}
	if _, ok := c.defined[n.Name]; !ok {
		c.reportForeign(n.Pos, "there is no template %q in this string", n.Name)
	}
	n.Name = c.rename(n.Name)
}

// pipe checks a pipeline and returns the type of what it gives, where that is known.
func (c *checker) pipe(pipe *parse.PipeNode, in scope) reflect.Type {
	c.depth++
	defer func() { c.depth-- }()
	var typ reflect.Type
	for at, cmd := range pipe.Cmds {
		if at > 0 {
			c.piped(cmd)
		}
		for i, arg := range cmd.Args {
			if !c.count(arg.Position()) {
				return nil
			}
			expression := expressionOf(arg)
			var first reflect.Type
			typ, first = c.operand(arg, in)
			if id, ok := arg.(*parse.IdentifierNode); ok {
				c.function(id, in.root)
			}
			method := i == 0 && (len(cmd.Args) > 1 || at > 0)
			cmd.Args[i] = c.withFields(arg, first, expression, method)
			if i > 0 {
				typ = nil
			}
		}
	}
	if len(pipe.Cmds) > 1 {
		return nil
	}
	return typ
}

// operand checks an operand and returns its type, and that of the value whose fields it takes, where they are known.
func (c *checker) operand(node parse.Node, in scope) (typ, first reflect.Type) {
	switch n := node.(type) {
	case *parse.DotNode:
		return in.dot, nil
	case *parse.FieldNode:
		return c.fields(n.Pos, "", in.dot, n.Ident), in.dot
	case *parse.VariableNode:
		if n.Ident[0] != "$" {
			return nil, nil
		}
		return c.fields(n.Pos, "$", in.root, n.Ident[1:]), in.root
	case *parse.ChainNode:
		if !c.count(n.Pos) {
			return nil, nil
		}
		first, _ := c.operand(n.Node, in)
		if id, ok := n.Node.(*parse.IdentifierNode); ok {
			c.function(id, in.root)
			if _, ok := unavailable[id.Ident]; ok { // None of them gives an object: this is ${{ env.NAME }} or the like.
				c.problems[len(c.problems)-1].foreign = true
			}
		}
		return c.fields(n.Pos, "("+n.Node.String()+")", first, n.Field), first
	case *parse.PipeNode:
		return c.pipe(n, in), nil
	}
	return nil, nil
}

// fields checks a chain of fields that begins at a value of type typ.
func (c *checker) fields(pos parse.Pos, prefix string, typ reflect.Type, names []string) reflect.Type {
	for _, name := range names {
		if typ == nil {
			return nil
		}
		switch typ.Kind() {
		case reflect.Struct:
			f, ok := typ.FieldByName(name)
			if !ok {
				c.reportForeign(pos, "there is no %s.%s, but %s", prefix, name, fieldNames(prefix, typ))
				return nil
			}
			typ = f.Type
		case reflect.Map:
			typ = typ.Elem()
		case reflect.Interface:
			return nil
		default:
			text := cmp.Or(prefix, ".")
			c.report(pos, "%s is text and has no .%s: for JSON, write (fromJson %s).%s", text, name, text, name)
			return nil
		}
		prefix += "." + name
	}
	return typ
}

// fieldNames lists the fields of a struct, as templates write them.
func fieldNames(prefix string, typ reflect.Type) string {
	names := make([]string, typ.NumField())
	for i := range names {
		names[i] = prefix + "." + typ.Field(i).Name
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// notOurs are functions that templates of Helm charts have, and what to do without them.
var notOurs = map[string]string{
	"include": "write {{ template }} for what a {{ define }} in this string defines",
	"tpl":     "what a template prints is not rendered again",
	"lookup":  "templates do not read the cluster: mount the ConfigMap or Secret, or use env with valueFrom",
}

// function checks a function that is called where $ has the type root, which is nil if it is not known.
func (c *checker) function(n *parse.IdentifierNode, root reflect.Type) {
	if reason, ok := unavailable[n.Ident]; ok {
		c.report(n.Pos, "the function %s cannot be used: %s", n.Ident, reason)
		return
	}
	if !isFunction(n.Ident) {
		advice := notOurs[n.Ident]
		if name := similarFunction(n.Ident); name != "" {
			advice = "write " + name
		}
		if root != nil && root.Kind() == reflect.Struct {
			if _, ok := root.FieldByName(n.Ident); ok {
				advice = "write ." + n.Ident
			}
		}
		if advice != "" {
			advice = ": " + advice
		}
		c.reportForeign(n.Pos, "there is no function %q%s", n.Ident, advice)
		return
	}
	if _, ok := functions[n.Ident]; ok {
		c.calls[n.Ident] = true
	}
}

// similarFunction returns the function whose name differs only in capital letters and _, or nothing.
func similarFunction(name string) string {
	plain := strings.ReplaceAll(name, "_", "")
	for _, known := range slices.Sorted(maps.Keys(functions)) {
		if strings.EqualFold(known, plain) {
			return known
		}
	}
	return ""
}

// body checks a defined template, and puts into it the calls that bound recursion.
func (c *checker) body(root *parse.ListNode) {
	c.tree(root, nil)
	levels := &parse.NumberNode{
		NodeType: parse.NodeNumber, Pos: root.Pos, IsInt: true, Int64: int64(c.deepest), Text: strconv.Itoa(c.deepest),
	}
	root.Nodes = slices.Insert(root.Nodes, 0, action(root.Pos, enterFunction, levels))
	root.Nodes = append(root.Nodes, action(root.Pos, leaveFunction, levels))
}

// appendCall appends a call of the function to a pipeline.
func appendCall(pipe *parse.PipeNode, name string) {
	pipe.Cmds = append(pipe.Cmds, command(pipe.Pos, name))
}

// action returns a node that calls the function and prints what it gives.
func action(pos parse.Pos, name string, args ...parse.Node) parse.Node {
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{command(pos, name, args...)}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: pos, Pipe: pipe}
}

func command(pos parse.Pos, name string, args ...parse.Node) *parse.CommandNode {
	return &parse.CommandNode{
		NodeType: parse.NodeCommand,
		Pos:      pos,
		Args:     append([]parse.Node{parse.NewIdentifier(name).SetPos(pos)}, args...),
	}
}
