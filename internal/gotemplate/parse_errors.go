package gotemplate

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"text/template/parse"
)

// startedAt is the part of a parser's error that names the template, which has no name here.
var startedAt = regexp.MustCompile(` started at :(\d+)`)

// parseProblem takes the parser's errors apart: template: :LINE: MESSAGE.
func parseProblem(text string, err error) problem {
	message := strings.TrimPrefix(err.Error(), "template: :")
	number, rest, _ := strings.Cut(message, ": ")
	line, numberErr := strconv.Atoi(number)
	if numberErr != nil {
		return problem{pos: noPosition, message: Abridge(message)}
	}
	rest = strings.TrimPrefix(rest, "template: ")
	rest = startedAt.ReplaceAllString(rest, " that started in line $1")
	if rest == "unexpected EOF" {
		at, word := openBlock(text)
		return problem{pos: at, message: fmt.Sprintf("{{ %s }} has no {{ end }}", word)}
	}
	p := problem{pos: failedAction(text, err), foreign: !ofBlocks(rest)}
	if p.pos == noPosition && strings.Contains(text, "\n") {
		p.message = Abridge(fmt.Sprintf("line %d: %s", line, plainParseError("", rest)))
		p.line = offset(text, fmt.Sprintf(":%d:0", line))
		return p
	}
	p.message = Abridge(plainParseError(text[max(p.pos, 0):], rest))
	return p
}

// ofBlocks says whether a message of the parser is about a block of a template: the author means it for a template.
func ofBlocks(message string) bool {
	return message == "unexpected {{end}}" || message == "unexpected {{else}}" ||
		strings.HasPrefix(message, "missing value for ")
}

// maxActions is in how many actions of a template the one with an error is looked for.
const maxActions = 1000

// failedAction returns where the action begins that the parser has refused with err. The parser tells only the line,
// but it reads from left to right: a text that ends before the action does not have the error.
func failedAction(text string, err error) parse.Pos {
	var starts []int
	for at := 0; ; {
		next := strings.Index(text[at:], "{{")
		if next < 0 {
			break
		}
		starts = append(starts, at+next)
		at += next + 2
	}
	if len(starts) > maxActions {
		return noPosition
	}
	after := sort.Search(len(starts), func(i int) bool {
		_, before := Parse(text[:starts[i]])
		return before != nil && before.Error() == err.Error()
	})
	if after == 0 {
		return noPosition
	}
	return parse.Pos(starts[after-1])
}

// openBlock returns the place and the first word of the innermost block that does not end. What looks like a block in a
// constant may mislead it.
func openBlock(text string) (parse.Pos, string) {
	type block struct {
		at   int
		word string
	}
	var open []block
	for _, match := range blockWords.FindAllStringSubmatchIndex(text, -1) {
		switch word := text[match[2]:match[3]]; {
		case word == "end":
			open = open[:max(len(open)-1, 0)]
		case word[0] != 'e':
			open = append(open, block{match[0], word})
		}
	}
	if len(open) == 0 {
		return noPosition, "if"
	}
	last := open[len(open)-1]
	return parse.Pos(last.at), last.word
}

// unclosed says that an action does not end.
const unclosed = "the action has no }}"

const noBrackets = `[ ] is not supported: write index LIST NUMBER, or index OBJECT "NAME"`

// parseErrors are what the parser says, and how to say it with what to write instead.
var parseErrors = map[string]string{
	"unclosed action":                 unclosed,
	"unclosed left paren":             "a ( has no )",
	"unexpected right paren":          "a ) has no (",
	`unexpected "}" in operand`:       unclosed,
	`unexpected "}" in command`:       unclosed,
	"unexpected {{end}}":              "{{ end }} ends nothing",
	"unexpected {{else}}":             "{{ else }} is in no block",
	"missing value for command":       "a value or a function is missing",
	"bad character U+005B '['":        noBrackets,
	`unexpected "[" in operand`:       noBrackets,
	`unexpected "[" in command`:       noBrackets,
	`unexpected "|" in command`:       "|| is no function: write or A B",
	"bad character U+002D '-'":        `- cannot stand in a name: write index OBJECT "NAME", or sub A B to subtract`,
	`illegal number syntax: "-"`:      "- is no function: write sub A B",
	`illegal number syntax: "+"`:      "+ is no function: write add A B",
	`unexpected "=" in operand`:       "= is no function: write eq A B to compare, := or = to set a variable",
	`unexpected "&" in operand`:       "& is no function: write and A B",
	`unexpected "!" in operand`:       "! is no function: write not A, or ne A B",
	`unexpected "!" in command`:       "! is no function: write not A",
	`unexpected "<" in operand`:       "< is no function: write lt A B, or le A B",
	`unexpected ">" in operand`:       "> is no function: write gt A B, or ge A B",
	`unexpected "?" in operand`:       "? is no function: write ternary THEN ELSE CONDITION",
	`unexpected "*" in operand`:       "* is no function: write mul A B",
	`unexpected "/" in operand`:       "/ is no function: write div A B",
	"unterminated quoted string":      `a text has no " at its end`,
	"unterminated raw quoted string":  "a text has no ` at its end",
	"unterminated character constant": "a character has no ' at its end: text stands in double quotes",
}

// plainParseError says what the parser says of the action at the beginning of text.
func plainParseError(text, message string) string {
	if message == `illegal number syntax: "-"` && endsWithOneBrace(text) {
		return unclosed
	}
	if strings.HasPrefix(message, "malformed character constant") {
		return message + ": text stands in double quotes"
	}
	if plain, ok := parseErrors[message]; ok {
		return plain
	}
	return message
}

// endsWithOneBrace says whether text has -} before any }}.
func endsWithOneBrace(text string) bool {
	one, two := strings.Index(text, "-}"), strings.Index(text, "}}")
	return one >= 0 && (two < 0 || one+1 < two)
}
