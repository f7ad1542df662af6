package gotemplate

import (
	"strings"
	"text/template/parse"
)

// signatures are those of functions whose last argument is not the value that they are about. To pipe this value into
// them, as into all others, gives a result that is wrong and looks right: TEXT is then what was written for NEW.
var signatures = map[string][]string{
	"regexReplaceAll":            {"PATTERN", "TEXT", "NEW"},
	"mustRegexReplaceAll":        {"PATTERN", "TEXT", "NEW"},
	"regexReplaceAllLiteral":     {"PATTERN", "TEXT", "NEW"},
	"mustRegexReplaceAllLiteral": {"PATTERN", "TEXT", "NEW"},
	"round":                      {"NUMBER", "PLACES"},
}

// piped refuses to pipe a value into a function that is about another argument, if that is a constant: nobody means to
// replace something in a constant, or to round one.
func (c *checker) piped(cmd *parse.CommandNode) {
	function, ok := cmd.Args[0].(*parse.IdentifierNode)
	if !ok {
		return
	}
	names := signatures[function.Ident]
	if names == nil || len(cmd.Args) != len(names) {
		return
	}
	switch cmd.Args[len(cmd.Args)-1].(type) {
	case *parse.StringNode, *parse.NumberNode:
		last := len(names) - 1
		c.report(function.Pos, "what is piped into %[1]s is its %[2]s and not its %[3]s: write %[1]s %[4]s without |",
			function.Ident, names[last], names[last-1], strings.Join(names, " "))
	}
}
