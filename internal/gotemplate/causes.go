package gotemplate

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// partMissing stands before errMissing where a part of what an action prints is missing.
const partMissing = "a part of it"

// cause says in plain words what text/template says in message, of context, which is part of action. It also says
// whether the cause is a missing value.
func cause(err error, message, context, action string) (cause string, missing bool) {
	message, calling := strings.CutPrefix(message, "error calling ")
	if !calling {
		return evaluationCause(message, context, action)
	}
	name, message, _ := strings.Cut(message, ": ")
	if limit, ok := errors.AsType[*limitError](err); ok {
		message = limit.Error()
	}
	switch {
	case errors.Is(err, errMissing) && name == emitFunction:
		if strings.HasPrefix(message, partMissing) {
			action = "a part of " + action
		}
		return action + " has no value", true
	case errors.Is(err, errMissing):
		return fmt.Sprintf("%s: %s, in: %s", name, message, action), true
	case strings.HasPrefix(name, "_"): // One of ours: no author has written it.
		message, _ = reword(message)
		return message, false
	case name == "fail" || name == "required":
		return name + ": " + message, false
	}
	message, _ = reword(message)
	return name + ": " + message, false
}

var functionName = regexp.MustCompile(`^[A-Za-z]\w*$`)

// evaluationCause is cause for what text/template says itself.
func evaluationCause(message, context, action string) (cause string, missing bool) {
	field, isField := strings.CutPrefix(message, "can't evaluate field ")
	switch {
	case strings.HasPrefix(message, "invalid value; expected "):
		if functionName.MatchString(context) { // It is about what is piped into the function.
			return fmt.Sprintf("%s: the last argument has no value, in: %s", context, action), true
		}
		if strings.IndexAny(context, "\"`'0123456789") == 0 { // It is the last argument of the call that gave nothing.
			return "an argument has no value, in: " + action, true
		}
		return context + " has no value", true
	case isField:
		field, typ, _ := strings.Cut(field, " in type ")
		before, _, found := strings.Cut(context, "."+field)
		if !found || before == "" || strings.Count(context, "."+field) > 1 {
			return fmt.Sprintf("%s has no .%s, in: %s", goTypeName(typ), field, action), false
		}
		return fmt.Sprintf("%s is %s and has no .%s", before, goTypeName(typ), field), false
	}
	if reworded, ok := reword(message); ok {
		return fmt.Sprintf("%s, in: %s", reworded, action), false
	}
	return message, false
}

// wordings are what text/template, sprig and Go's runtime say of wrong values, and how to say it without words of Go.
var wordings = []struct {
	pattern *regexp.Regexp
	words   func(found []string) string
}{
	{regexp.MustCompile(`^wrong type for value; expected (.+); got (.+)$`), func(found []string) string {
		return needed(found[1]) + goTypeName(found[2])
	}},
	{regexp.MustCompile(`(?s)^expected (\w+|unsigned integer); found (.+)$`), func(found []string) string {
		if found[2] == "nil" {
			return needed(found[1]) + goTypeName("nil")
		}
		return needed(found[1]) + found[2]
	}},
	{regexp.MustCompile(`(?s)^can't handle (.+) for arg of type (.+)$`), func(found []string) string {
		return needed(found[2]) + found[1]
	}},
	{regexp.MustCompile(`^cannot assign nil to (.+)$`), func(found []string) string {
		return needed(found[1]) + "nil"
	}},
	{regexp.MustCompile(`^dereference of nil pointer of type .*$`), func([]string) string {
		return "a value is missing"
	}},
	{regexp.MustCompile(`(?s)^can't use (.+?) (?:to )?iterate over more than one variable$`),
		func(found []string) string {
			return "range with two variables takes a list or a dictionary, and not " + found[1]
		}},
	{regexp.MustCompile(`^wrong number of args for (\w+): want (at least )?(\d+) got (\d+)$`),
		func(found []string) string {
			arguments := "arguments"
			if found[3] == "1" {
				arguments = "argument"
			}
			return fmt.Sprintf("%s takes %s%s %s, and not %s", found[1], found[2], found[3], arguments, found[4])
		}},
	{regexp.MustCompile(`(?s)^can't give argument to non-function (.+)$`), takesNoArguments},
	{regexp.MustCompile(`^(\S+) (?:is not a method but has arguments|has arguments but cannot be invoked .*)$`),
		takesNoArguments},
	{regexp.MustCompile(`^(\S+) is an unexported field of struct type (.+)$`), func(found []string) string {
		return fmt.Sprintf("%s has no .%s", goTypeName(found[2]), found[1])
	}},
	{regexp.MustCompile(`^(?:unexpected )?EOF$`), func([]string) string { return "the text ends too early" }},
	{regexp.MustCompile(`^Cannot (?:find )?\w+ (?:on )?type (.+?)(?: as list)?$`), takesList},
	{regexp.MustCompile(`^list should be type of slice or array but (.+)$`), takesList},
	{regexp.MustCompile(`^unable to parse (\w+) key, must be of type string, but (.+) found$`),
		func(found []string) string {
			return fmt.Sprintf("%s must be text, and not %s", found[1], goTypeName(found[2]))
		}},
	{regexp.MustCompile(`^interface conversion: .+ is (.+), not (.+)$`), func(found []string) string {
		return fmt.Sprintf("takes %s, and not %s", goTypeName(found[2]), goTypeName(found[1]))
	}},
	{regexp.MustCompile(`^strings: negative Repeat count$`), func([]string) string {
		return "a number cannot be negative"
	}},
	{regexp.MustCompile(`^(\S+) overflows int$`), func(found []string) string {
		return found[1] + " is too large for a number: write it as text"
	}},
	{regexp.MustCompile(`(?s)^unable to parse url: .*$`), func([]string) string { return "a text that is not a URL" }},
	{regexp.MustCompile(`(?s)^unable to parse userinfo in dict: .*$`), func([]string) string {
		return "a userinfo that cannot be in a URL"
	}},
	{regexp.MustCompile("(?s)^error parsing regexp: ([^:`]+).*$"), func(found []string) string {
		return "a text that is not a regular expression: " + found[1]
	}},
	{regexp.MustCompile(`^runtime error: integer divide by zero$`), func([]string) string {
		return "division by zero"
	}},
	{regexp.MustCompile(`^runtime error: (?:slice bounds|index|makeslice).*$`), func([]string) string {
		return "a position or a length is out of range"
	}},
	{regexp.MustCompile(`^runtime error: .*$`), func([]string) string { return "cannot be called with these arguments" }},
}

// reword says a message in plain words, if it is one of wordings.
func reword(message string) (string, bool) {
	for _, wording := range wordings {
		if found := wording.pattern.FindStringSubmatch(message); found != nil {
			return wording.words(found), true
		}
	}
	return message, false
}

// needed is the beginning of a message about a value that does not have the type.
func needed(typ string) string { return goTypeName(typ) + " is needed, and not " }

func takesList(found []string) string { return "takes a list, and not " + goTypeName(found[1]) }

func takesNoArguments(found []string) string { return found[1] + " takes no arguments" }

// goTypeName names a type of Go, which is given by its name or its kind, in the words of templates.
func goTypeName(typ string) string {
	switch {
	case typ == "nil":
		return "a missing value"
	case typ == "string":
		return "text"
	case typ == "bool":
		return "a truth value"
	case strings.HasPrefix(typ, "map"):
		return "a dictionary"
	case strings.HasPrefix(typ, "[") || typ == "slice" || typ == "array":
		return "a list"
	case strings.HasPrefix(typ, "complex"):
		return "a complex number"
	case strings.HasPrefix(typ, "float"):
		return "a fraction"
	case strings.HasPrefix(typ, "int") && !strings.HasPrefix(typ, "interface"),
		strings.HasPrefix(typ, "uint"), typ == "unsigned integer":
		return "a number"
	case typ == "gotemplate.digits":
		return "a number with too many digits"
	case typ == "gotemplate.instant":
		return "a time"
	case typ == "gotemplate.version":
		return "a version"
	case typ == "gotemplate.leftOut":
		return "what leaveOut gives"
	case strings.HasPrefix(typ, "struct") || strings.Contains(typ, "."):
		return "an object"
	default:
		return "a value of another type"
	}
}

// typeName names the type of a value in the words of templates.
func typeName(value any) string {
	if value == nil {
		return goTypeName("nil")
	}
	if typ := reflect.TypeOf(value); typ.Kind() == reflect.Struct {
		return goTypeName(typ.String())
	}
	return goTypeName(reflect.TypeOf(value).Kind().String())
}
