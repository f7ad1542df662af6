package render

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// templated is a string of the Job that is a template.
type templated struct {
	place
	text string
	// main is the name of its parse tree in the program.
	main string
	// expanded says that the kubelet will expand it.
	expanded bool
}

// Compile parses every templated string of spec once. It reports every string that does not parse, or that uses an
// unknown function or an unknown field, at its path below spec.jobTemplate. The spec is copied: the caller may change it
// afterwards.
func Compile(spec *batchv1.JobTemplateSpec) (*Program, field.ErrorList) {
	c := compiler{program: &Program{
		spec:   spec.DeepCopy(),
		limits: defaultLimits,
		calls:  map[string]bool{},
	}}
	walk(c.program.spec, func(at place, text string) {
		if strings.Contains(text, "{{") && c.nodes <= maxNodes && len(c.errs) <= maxErrors {
			c.string(at, text)
		}
	})
	if len(c.errs) > 0 {
		countErrors(stageCompile, c.errs)
		return nil, c.errs
	}
	return c.program, nil
}

type compiler struct {
	program *Program
	nodes   int
	errs    field.ErrorList
}

// string compiles one string.
func (c *compiler) string(at place, text string) {
	s := templated{place: at, text: text, main: "s" + strconv.Itoa(len(c.program.strings)), expanded: expandedFields[at.fields]}
	trees, problems := c.parse(s)
	for _, p := range problems {
		if len(c.errs) == maxErrors {
			c.errs = append(c.errs, tooManyErrors())
			break
		}
		c.errs = append(c.errs, field.Invalid(at.path, abridged(text), position(text, int(p.pos))+p.message))
	}
	c.program.strings = append(c.program.strings, s)
	c.program.trees = append(c.program.trees, trees...)
	c.program.usesPayload = c.program.usesPayload || strings.Contains(text, "Payload")
}

// parse returns the parse trees of one string, its own and those that it defines, ready to be run.
func (c *compiler) parse(s templated) (trees []*parse.Tree, problems []problem) {
	main, defined, err := parseTemplate(s.text)
	if err != nil {
		return nil, []problem{parseProblem(s.text, err)}
	}
	check := checker{
		defined: defined,
		rename:  func(name string) string { return s.main + "/" + name },
		calls:   c.program.calls,
		nodes:   c.nodes,
	}
	check.tree(main.Root, reflect.TypeFor[Data]())
	for _, name := range sortedKeys(defined) {
		check.tree(defined[name].Root, nil)
	}
	check.bodies()
	c.nodes = check.nodes

	main.Name, main.ParseName = s.main, s.main
	trees = append(trees, main)
	for name, tree := range defined {
		tree.Name, tree.ParseName = check.rename(name), s.main
		trees = append(trees, tree)
	}
	return trees, check.problems
}

// parseTemplate parses a template. It does not judge functions, so that all that are unknown can be reported together.
func parseTemplate(text string) (main *parse.Tree, defined map[string]*parse.Tree, err error) {
	if len(text) > maxTemplate {
		return nil, nil, fmt.Errorf("a template may have at most %d bytes", maxTemplate)
	}
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("cannot be parsed")
		}
	}()
	defined = map[string]*parse.Tree{}
	main = parse.New("")
	main.Mode = parse.SkipFuncCheck
	if _, err := main.Parse(text, "", "", defined); err != nil {
		return nil, nil, err
	}
	for name, tree := range defined {
		if tree == main {
			delete(defined, name)
		}
	}
	return main, defined, nil
}

func sortedKeys(trees map[string]*parse.Tree) []string { return slices.Sorted(maps.Keys(trees)) }
