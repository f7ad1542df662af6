package gotemplate

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
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

// errBlocks says that a template is nested too deep.
var errBlocks = fmt.Errorf("actions and parentheses may be nested at most %d deep", maxBlocks)

// Parse parses a template. It does not check the names of functions, so that all unknown ones can be reported together.
func Parse(text string) (parsed Parsed, err error) {
	if len(text) > maxTemplate {
		return Parsed{}, fmt.Errorf("a template may have at most %d bytes", maxTemplate)
	}
	if maybeNested(text) > 5*maxBlocks {
		return Parsed{}, errBlocks
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

// blockWords are what may follow {{, and how each changes how deep the parser is in blocks. An else with another
// block in it is one level more, which ends with the block before it.
var blockWords = regexp.MustCompile(`\{\{(?:-\s)?\s*(if|with|range|block|define|end|else\s+(?:if|with))\b`)

// maybeNested estimates how deep blocks are nested, before the text is parsed: the parser takes some of the stack for
// each. It may take text for a block.
func maybeNested(text string) (deepest int) {
	var open []int // for each block, how many levels end with it
	levels := 0
	for at := 0; ; {
		match := blockWords.FindStringSubmatchIndex(text[at:])
		if match == nil {
			return deepest
		}
		switch word := text[at+match[2] : at+match[3]]; {
		case word == "end":
			if len(open) > 0 {
				levels -= open[len(open)-1]
				open = open[:len(open)-1]
			}
		case len(open) > 0 && word[0] == 'e':
			open[len(open)-1]++
			levels++
		default:
			open = append(open, 1)
			levels++
		}
		deepest = max(deepest, levels)
		at += match[1]
	}
}
