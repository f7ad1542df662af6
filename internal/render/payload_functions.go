package render

import (
	"regexp/syntax"
	"slices"
	"strings"
	"text/template/parse"
)

// harmless are functions whose result is one word of letters, digits and +-_.:/=%, spaces and quotes aside, whatever
// they are given: numbers, truth values, times, names of types, and texts in an encoding.
var harmless = set(
	"len", "int", "int64", "float64", "toDecimal", "atoi", "add", "add1", "sub", "mul", "div", "mod", "addf", "add1f",
	"subf", "mulf", "divf", "biggest", "max", "min", "maxf", "minf", "ceil", "floor", "round", "until", "untilStep",
	"seq", "randInt", "randAlphaNum", "randAlpha", "randNumeric", "randBytes", "uuidv4", "now", "ago", "duration",
	"durationRound", "unixEpoch", "toDate", "mustToDate", "dateModify", "mustDateModify", "date_modify",
	"must_date_modify", "htmlDate", "htmlDateInZone", "semver", "semverCompare", "not", "eq", "ne", "lt", "le", "gt",
	"ge", "deepEqual", "empty", "all", "any", "has", "mustHas", "hasKey", "contains", "hasPrefix", "hasSuffix",
	"regexMatch", "mustRegexMatch", "kindOf", "kindIs", "typeOf", "typeIs", "typeIsLike", "isAbs", "osIsAbs", "b64enc",
	"b32enc", "urlquery", "sha1sum", "sha256sum", "sha512sum", "adler32sum", "encryptAES",
)

// selecting are functions whose result is made of some of their arguments: those with these indexes, which count from
// the end where they are negative.
var selecting = map[string][]int{
	"ternary": {0, 1}, "index": {0}, "get": {0}, "dig": {-2, -1}, "required": {-1}, "mustRequired": {-1},
	"date": {0}, "dateInZone": {0}, "date_in_zone": {0}, "pluck": {-1}, "trunc": {-1}, "repeat": {-1},
}

func set(names ...string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

// result is the trace of what a function returns. nodes are the arguments in parentheses or without, args the trace
// of these and of what is piped into the function.
func (l *language) result(function string, nodes []parse.Node, args []trace) trace {
	if harmless[function] || l.quoting[function] || filters(function, nodes) {
		return clean
	}
	result := clean
	for i, arg := range args {
		selected, ok := selecting[function]
		if !ok || slices.Contains(selected, i) || slices.Contains(selected, i-len(args)) {
			result = max(result, arg)
		}
	}
	return result
}

// filters says whether a function lets only harmless characters of a text pass: {{ regexFind "^[a-z]+$" .Payload }} and
// {{ regexReplaceAll "[^a-z]" .Payload "-" }} do.
func filters(function string, nodes []parse.Node) bool {
	if len(nodes) == 0 {
		return false
	}
	pattern, ok := nodes[0].(*parse.StringNode)
	if !ok {
		return false
	}
	parsed, err := syntax.Parse(pattern.Text, syntax.Perl)
	if err != nil {
		return false
	}
	switch strings.TrimPrefix(function, "must") {
	case "regexFind", "RegexFind":
		return matchesOnlyHarmless(parsed)
	case "regexReplaceAll", "RegexReplaceAll", "regexReplaceAllLiteral", "RegexReplaceAllLiteral":
		if len(nodes) < 3 {
			return false
		}
		_, constant := nodes[2].(*parse.StringNode)
		return constant && matchesAllHarmful(parsed)
	}
	return false
}

// isHarmless says whether a character means nothing to a shell.
func isHarmless(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.:/,@%+", r)
}

// matchesOnlyHarmless says whether what a regular expression matches has no other characters than harmless ones.
func matchesOnlyHarmless(e *syntax.Regexp) bool {
	switch e.Op {
	case syntax.OpLiteral:
		if slices.ContainsFunc(e.Rune, func(r rune) bool { return !isHarmless(r) }) {
			return false
		}
	case syntax.OpCharClass:
		return onlyHarmless(e.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	}
	return !slices.ContainsFunc(e.Sub, func(sub *syntax.Regexp) bool { return !matchesOnlyHarmless(sub) })
}

// onlyHarmless says whether a character class, which is pairs of first and last characters, is of harmless ones.
func onlyHarmless(class []rune) bool {
	for i := 0; i+1 < len(class); i += 2 {
		if class[i+1]-class[i] > 'z' {
			return false
		}
		for r := class[i]; r <= class[i+1]; r++ {
			if !isHarmless(r) {
				return false
			}
		}
	}
	return true
}

// matchesAllHarmful says whether a regular expression is a character class that has all characters but harmless ones,
// or repeats one.
func matchesAllHarmful(e *syntax.Regexp) bool {
	if e.Op == syntax.OpPlus {
		e = e.Sub[0]
	}
	if e.Op != syntax.OpCharClass {
		return false
	}
	next := rune(0) // the first character that no pair had yet
	for i := 0; i+1 < len(e.Rune); i += 2 {
		for ; next < e.Rune[i]; next++ {
			if !isHarmless(next) {
				return false
			}
		}
		next = e.Rune[i+1] + 1
	}
	return next > 0x10FFFF
}
