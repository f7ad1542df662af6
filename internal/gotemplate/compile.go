package gotemplate

import (
	"fmt"
	"reflect"
	"strconv"
	"text/template/parse"
)

// Source is one template of a Set.
type Source struct {
	Text string
	// Escape, if it is set, escapes what the template's actions print.
	Escape Escaper
}

// Escaper keeps what actions print from being taken for something else by whoever reads the result.
type Escaper interface {
	// Action returns text, which an action printed, as it is to be written.
	Action(text string) string
	// Literal prepares out for the output of an action, which is appended next: in out[from:], the literal text since
	// the last action, it escapes what that output could complete. It may change out, as append does.
	Literal(out []byte, from int) []byte
}

// Compile compiles sources into a Set. All errors are reported, up to 50. data is the type of the templates'
// dot: a field that it cannot have is an error, even where the template would never come to it.
func Compile(sources []Source, data reflect.Type) (*Set, []Error) {
	c := compiler{set: &Set{sources: sources, limits: defaultLimits, calls: map[string]bool{}}, data: data}
	for i := range sources {
		if c.nodes > MaxParts || len(c.errs) > maxErrors {
			break
		}
		c.source(i)
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	c.set.nodes = c.nodes
	return c.set, nil
}

type compiler struct {
	set   *Set
	data  reflect.Type
	nodes int
	errs  []Error
}

// source compiles one source.
func (c *compiler) source(i int) {
	text := c.set.sources[i].Text
	problems := c.trees(i)
	hinted := false
	for _, p := range problems[:min(len(problems), maxErrorsOfSource)] {
		if len(c.errs) == maxErrors {
			c.errs = append(c.errs, tooManyErrors)
			return
		}
		err := newError(i, Position(text, int(p.pos))+p.message)
		err.Excerpt = Excerpt(text, max(int(p.pos), p.line))
		if !hinted && p.foreign && !c.usesData(actionFrom(text, int(p.pos))) {
			err.Message += literalBraces
			err.Redacted, hinted = err.Message, true
		}
		c.errs = append(c.errs, err)
	}
	if more := len(problems) - maxErrorsOfSource; more > 0 {
		c.errs = append(c.errs, newError(i, fmt.Sprintf("%d more errors are not listed here", more)))
	}
}

// trees adds the parse trees of one source to the set, its own and those that it defines, ready to be run.
func (c *compiler) trees(i int) []problem {
	text := c.set.sources[i].Text
	parsed, err := Parse(text)
	if err != nil {
		return []problem{parseProblem(text, err)}
	}
	main := mainName(i)
	check := checker{
		defined: parsed.Defined,
		rename:  func(name string) string { return main + "/" + name },
		calls:   c.set.calls,
		nodes:   c.nodes,
	}
	check.count(0)
	check.tree(parsed.Main.Root, c.data)
	for _, name := range parsed.names() {
		check.body(parsed.Defined[name].Root)
	}
	c.nodes = check.nodes

	c.add(parsed.Main, main, main)
	for name, tree := range parsed.Defined {
		c.add(tree, check.rename(name), main)
	}
	return check.problems
}

func (c *compiler) add(tree *parse.Tree, name, main string) {
	tree.Name, tree.ParseName = name, main
	c.set.trees = append(c.set.trees, tree)
}

// mainName is the name of the i-th source's own tree.
func mainName(i int) string { return "s" + strconv.Itoa(i) }
