package gotemplate

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// wordsOfGo are words that authors of templates cannot know.
var wordsOfGo = []string{
	"nil pointer", "interface conversion", "interface {", "reflect", "runtime error", "index out of range",
	"slice bounds", "invalid memory", "map[", "[]", "float64", "int64", "gotemplate", " struct", "makeslice", "EOF", "<nil>",
	"%!", "json:", "yaml:", "strconv", "parsing time", "regexp: ", "big.", "unsupported",
}

// wrongValues are values of every kind that a template can get hold of.
var wrongValues = map[string]func() any{
	"nothing":                      func() any { return nil },
	"a dictionary of nothing":      func() any { return map[string]any(nil) },
	"a list of nothing":            func() any { return []any(nil) },
	"an address of nothing":        func() any { return (*int)(nil) },
	"text":                         func() any { return "word" },
	"empty text":                   func() any { return "" },
	"a number":                     func() any { return 7 },
	"zero":                         func() any { return int64(0) },
	"minus one":                    func() any { return -1 },
	"the smallest number":          func() any { return math.MinInt },
	"a fraction":                   func() any { return 1.5 },
	"a truth value":                func() any { return true },
	"a list":                       func() any { return []any{"a", int64(1)} },
	"an empty list":                func() any { return []any{} },
	"a list with a missing item":   func() any { return []any{nil} },
	"a list of texts":              func() any { return []string{"a"} },
	"a dictionary":                 func() any { return map[string]any{"a": int64(1)} },
	"a dictionary with null in it": func() any { return map[string]any{"a": nil} },
	"a dictionary of texts":        func() any { return map[string]string{"a": "b"} },
	"a time":                       func() any { return newInstant(time.Unix(0, 0)) },
	"a version":                    func() any { return version{Original: "1"} },
	"an object":                    func() any { return dataOf("x") },
	"what leaveOut gives":          func() any { return leftOut{} },
}

// TestMessagesOnWrongValues calls every function from a template with each wrong value in each position, and with the
// same one in all. No message may have words of Go in it.
func TestMessagesOnWrongValues(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		t.Run(name, func(t *testing.T) {
			typ := reflect.TypeOf(functions[name].fn)
			for arity := range arities(typ) {
				set := compileCall(t, name, arity)
				for value := range wrongValues {
					checkMessage(t, set, argumentsWith(arity, -1, value, nil))
					for position := 0; position < arity && arity > 1; position++ {
						for _, other := range harmlessValues {
							checkMessage(t, set, argumentsWith(arity, position, value, other))
						}
					}
				}
			}
		})
	}
}

// compileCall compiles a template that calls a function with that many items of its dot.
func compileCall(t *testing.T, name string, arity int) *Set {
	t.Helper()
	var call strings.Builder
	call.WriteString(name)
	for i := range arity {
		fmt.Fprintf(&call, " (index . %d)", i)
	}
	set, errs := Compile([]Source{{Text: "{{ $_ := " + call.String() + " }}"}}, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return set
}

// argumentsWith returns arguments with a wrong value at one position, or at all for -1.
func argumentsWith(arity, position int, wrong string, other any) []any {
	args := make([]any, arity)
	for i := range args {
		args[i] = other
		if position < 0 || i == position {
			args[i] = wrongValues[wrong]()
		}
	}
	return args
}

func checkMessage(t *testing.T, set *Set, args []any) {
	t.Helper()
	for _, err := range set.Render(t.Context(), args, func(int, Rendered) {}) {
		_, said, _ := strings.Cut(err.Message, ": ")
		// The action stands at the end, and may have the name of a function in it.
		said = strings.ReplaceAll(said, set.sources[0].Text, "")
		said, _, _ = strings.Cut(said, "in: ")
		said = strings.TrimPrefix(said, calledFunction(set)+": ")
		for _, word := range wordsOfGo {
			if strings.Contains(said, word) {
				t.Errorf("with %#.80v: %s", args, err.Message)
			}
		}
		if !strings.HasPrefix(err.Message, "column ") {
			t.Errorf("with %#.80v: no column: %s", args, err.Message)
		}
	}
}

func calledFunction(set *Set) string {
	return strings.Fields(set.sources[0].Text)[3]
}

// TestParseErrors tests that an error of the parser names the place, and in a word what is missing or what to write.
func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a {{ .Payload":                      "column 3: the action has no }}",
		"a {{- .Payload -}":                  "column 3: the action has no }}",
		"{{ .Name }} {{ .Name } {{ .Name }}": "column 13: the action has no }}",
		"{{ .a[0] }}":                        "column 1: index",
		"{{ .Name-a }}":                      "column 1: index",
		"{{ if .Name }}a":                    "column 1: {{ end }}",
		"{{ if .Name }}{{ end }}\nb {{ range .Name }}":   "line 2, column 3: range",
		"{{ with 1 }}{{ else with 2 }}{{ end }}{{ if }}": "column 39: if",
		"{{ .Name }} {{ end }}":                          "column 13: end",
		"{{ .Name }} {{ $x }}":                           `column 13: "$x"`,
		"{{ .Name }} {{ print \"a }}":                    "column 13: text",
		"{{ 1 }}{{ if eq 1 == 2 }}{{ end }}":             "column 8: eq",
		"{{ Payload }}":                                  "column 4: write .Payload",
		`{{ include "a" . }}`:                            "column 4: template",
		`{{ lookup "v1" "Secret" "a" "b" }}`:             "column 4: valueFrom",
		`{{ tpl .Payload . }}`:                           "column 4: again",
	} {
		_, errs := compile(text)
		place, word, _ := strings.Cut(want, ": ")
		if len(errs) == 0 || !strings.HasPrefix(errs[0].Message, place+": ") || !strings.Contains(errs[0].Message, word) {
			t.Errorf("%s: got %q, want %q", text, messages(errs), want)
		}
	}
}

// TestParseErrorInManyActions tests that looking for the action is bounded.
func TestParseErrorInManyActions(t *testing.T) {
	_, errs := compile(strings.Repeat("{{1}}", maxActions) + "\n{{ .Name")
	if len(errs) != 1 || !strings.HasPrefix(errs[0].Message, "line 2: ") {
		t.Errorf("got %q", messages(errs))
	}
}

// TestLimitNamesTheCall tests that what exceeds a limit is named, with its place.
func TestLimitNamesTheCall(t *testing.T) {
	for text, want := range map[string]string{
		"{{ .Name }} {{ until 2000000000 }}":           "column 16: until: ",
		"a {{ range 100000000000 }}{{ end }}":          "column 12: the template",
		"{{ .Name }}\n{{ .Name | repeat 1000000000 }}": "line 2, column 12: repeat: ",
	} {
		set, errs := compile(text)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		set.limits.steps = 1000
		errs = set.Render(t.Context(), dataOf("x"), func(int, Rendered) {})
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Message, want) {
			t.Errorf("%s: got %q, want %q", text, messages(errs), want)
		}
	}
}
