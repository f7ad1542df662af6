package gotemplate

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxPattern is how many bytes a regular expression may have.
	maxPattern = 1000
	// maxSearch bounds one search: the size of the compiled expression times the length of the text. One search takes
	// about a second at most.
	maxSearch = 1 << 26
	// maxExpanded is how many parts an expression may have when its repetitions are written out, as they are in the
	// compiled one. Each part makes some 800 bytes.
	maxExpanded = 8000
)

// boundSearch is for functions that search once: `regexMatch PATTERN TEXT`.
func boundSearch(c *call) (int, error) {
	pattern, text := c.text(0), c.text(1)
	if len(pattern) > maxPattern {
		return 0, fmt.Errorf("a regular expression may have at most %d bytes", maxPattern)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, nil // The function itself says so, or takes it for no match.
	}
	if expandedParts(parsed) > maxExpanded {
		return 0, &limitError{"what a regular expression may take: fewer repetitions ({...}) are needed"}
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, err
	}
	if times(len(program.Inst), len(text)+1) > maxSearch {
		return 0, &limitError{"what a regular expression may take: a shorter text or expression is needed"}
	}
	return len(text), c.step(100 + len(program.Inst) + len(text)/64)
}

// expandedParts returns how many parts an expression has when its repetitions are written out.
func expandedParts(expression *syntax.Regexp) int {
	parts := 1 + len(expression.Rune)
	if expression.Op == syntax.OpCharClass {
		parts = 1
	}
	for _, inner := range expression.Sub {
		parts = plus(parts, expandedParts(inner))
	}
	if expression.Op == syntax.OpRepeat {
		parts = times(parts, max(expression.Min, expression.Max, 1))
	}
	return parts
}

// boundSearchAll is for functions that search again after each match, in which it can take the square of the text's
// length: it does the searching once beforehand, where it can be stopped after each match, and counts what will be
// made.
func boundSearchAll(c *call) (size int, err error) {
	if _, err := boundSearch(c); err != nil {
		return 0, err
	}
	expression, err := regexp.Compile(c.text(0))
	if err != nil {
		return 0, nil
	}
	defer func() {
		if r := recover(); r != nil {
			stop, ok := r.(error)
			if !ok {
				stop = errors.New("the regular expression failed")
			}
			err = stop
		}
	}()
	replacement := ""
	if len(c.args) > 2 {
		replacement, _ = c.args[2].(string)
	}
	size = len(c.text(1))
	expression.ReplaceAllStringFunc(c.text(1), func(match string) string {
		// A reference in the replacement gives one group, at most the match.
		size += 32 + len(replacement) + times(strings.Count(replacement, "$"), len(match))
		if err := errors.Join(c.step(1+len(match)/256), c.clock(), c.fits(size)); err != nil {
			panic(err)
		}
		return ""
	})
	return size, nil
}

var errReference = errors.New("a $ of the replacement names a group that the pattern does not have: " +
	"write ${1} for a group, $$ for a $, or use regexReplaceAllLiteral")

// replacedAll replaces all matches. A group that is not in the pattern is an error, where sprig's has none of it: the
// name of the group in $1_x is 1_x.
func replacedAll(pattern, text, replacement string) (string, error) {
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	for _, rest, found := strings.Cut(replacement, "$"); found; _, rest, found = strings.Cut(rest, "$") {
		if escaped, ok := strings.CutPrefix(rest, "$"); ok {
			rest = escaped
			continue
		}
		var group string
		if group, rest = groupName(rest); group != "" && !hasGroup(expression, group) {
			return "", errReference
		}
	}
	return expression.ReplaceAllString(text, replacement), nil
}

// groupName returns the name of a group at the beginning of text, which is behind a $, and the text after it. It is
// empty where regexp takes the $ for itself.
func groupName(text string) (name, rest string) {
	inner, braces := strings.CutPrefix(text, "{")
	end := strings.IndexFunc(inner, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(inner)
	}
	name, rest = inner[:end], inner[end:]
	if !braces {
		return name, rest
	}
	if rest, braces = strings.CutPrefix(rest, "}"); !braces {
		return "", text
	}
	return name, rest
}

func hasGroup(expression *regexp.Regexp, name string) bool {
	if group, err := strconv.Atoi(name); err == nil {
		return group <= expression.NumSubexp()
	}
	return expression.SubexpIndex(name) >= 0
}
