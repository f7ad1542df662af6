package gotemplate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/template/parse"
)

// Parsed is a template that was parsed, but not checked.
type Parsed struct {
	// Main is the tree of the template itself.
	Main *parse.Tree
	// Defined are the trees of the templates that it defines, by name.
	Defined map[string]*parse.Tree
}

// Parse parses a template. It does not check the names of functions, so that all unknown ones can be reported together.
func Parse(text string) (parsed Parsed, err error) {
	if len(text) > maxTemplate {
		return Parsed{}, fmt.Errorf("a template may have at most %d bytes", maxTemplate)
	}
	defer func() {
		if r := recover(); r != nil {
			parsed, err = Parsed{}, errors.New("cannot be parsed")
		}
	}()
	defined := map[string]*parse.Tree{}
	main := parse.New("")
	main.Mode = parse.SkipFuncCheck
	if _, err := main.Parse(text, "", "", defined); err != nil {
		return Parsed{}, err
	}
	maps.DeleteFunc(defined, func(_ string, tree *parse.Tree) bool { return tree == main })
	return Parsed{Main: main, Defined: defined}, nil
}

// names returns the names of the defined templates in order.
func (p Parsed) names() []string { return slices.Sorted(maps.Keys(p.Defined)) }
