package gotemplate

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEveryFunctionHasARow fails when the library and everyFunction do not have the same functions.
func TestEveryFunctionHasARow(t *testing.T) {
	for name, f := range functions {
		if _, ok := everyFunction[name]; !ok {
			t.Errorf("%s (%T) needs a row in everyFunction", name, f.fn)
		}
	}
	for name := range everyFunction {
		if _, ok := functions[name]; !ok {
			t.Errorf("%s is no function any more", name)
		}
	}
}

func TestEveryFunctionIsRight(t *testing.T) {
	for name, row := range everyFunction {
		t.Run(name, func(t *testing.T) {
			got, errs := render(t, "{{ "+row.call+" }}", "")
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			got = strings.ReplaceAll(got, "$$", "$")
			if strings.HasPrefix(row.want, "^") && regexp.MustCompile(row.want).MatchString(got) {
				return
			}
			if got != row.want {
				t.Errorf("%s: got %q, want %q", row.call, got, row.want)
			}
		})
	}
}

// values are what is tried in every position of every function.
var values = map[string]any{
	"nothing": nil, "a word": "tomorrow", "empty text": "", "no number": "NaN", "infinity": "+Inf", "hex": "0x10",
	"a huge text": "1e400", "a number with a unit": "5 apples", "a fraction as text": "1.5", "a number as text": "5",
	"a date that does not exist": "2024-13-01", "half an expression": "[", "a bad address": "http://[::1", "truth": true, "a list": []any{"a"},
	"a list with a missing item": []any{nil}, "a dictionary": map[string]any{"a": 1}, "a number": 5, "zero": 0,
	"minus one": -1, "a fraction": 1.5, "a huge number": 1e300, "the largest number": int64(math.MaxInt64),
	"many digits": digits{"99446744073709551615"}, "a time": newInstant(time.Unix(0, 0).UTC()),
	"a version": version{Major: 1, Original: "1"},
}

// unreadableBy has the values that a function cannot read in a position of some kind: it must say so, whatever it is.
var unreadableBy = func() map[string][]string {
	all := slices.Sorted(maps.Keys(values))
	but := func(names []string, readable ...string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(readable, name) })
	}
	texts := []string{
		"a word", "empty text", "no number", "infinity", "hex", "a huge text", "a number with a unit",
		"a fraction as text", "a number as text", "a date that does not exist", "half an expression",
		"a bad address",
	}
	fraction := but(all, "a fraction as text", "a number as text", "a number", "zero", "minus one", "a fraction", "a huge number")
	number := but(fraction, "the largest number")
	whole := append(but(number, "many digits"), "a fraction as text", "a fraction", "a huge number", "many digits")
	integer := append(slices.Clone(whole), "a number as text")
	text := but(all, texts...)
	aTime := but(all, "a time", "a fraction as text", "a number as text", "a number", "zero", "minus one", "a fraction")
	list := but(all, "a list", "a list with a missing item")
	dict := but(all, "a dictionary")
	comparable := []string{"a list", "a list with a missing item", "a dictionary"}
	return map[string][]string{
		"any": nil, "value": {"nothing"},
		"printed":     {"nothing", "a list with a missing item"},
		"word":        {"nothing", "a list", "a list with a missing item", "a dictionary"},
		"printedlist": {"nothing", "a list with a missing item", "a dictionary"},
		"decimal":     number, "decimaldivisor": append(slices.Clone(number), "zero"),
		"fractiononly": append(slices.Clone(fraction), "a fraction as text", "a number as text"),
		"number":       but(number, "many digits"), "wholetext": but(all, "a number as text"),
		"octal": append(slices.Clone(whole), "the largest number"),
		"whole": whole, "divisor": append(slices.Clone(whole), "zero"),
		"int": integer, "nonzero": append(slices.Clone(integer), "zero"), "natural": append(slices.Clone(integer), "minus one"),
		"positive": append(slices.Clone(integer), "minus one", "zero"),
		"time":     aTime, "zone": all, "layouted": all,
		"seconds":      append(but(aTime, "many digits"), "a time", "many digits", "the largest number"),
		"duration":     but(all, "a number", "zero", "minus one", "a time", "the largest number"),
		"durationtext": all,
		"text":         text, "base64": append(slices.Clone(text), "a number with a unit", "half an expression"),
		"base32":    append(slices.Clone(text), "a word", "half an expression"),
		"encrypted": but(all, "empty text"),
		"json":      append(slices.Clone(text), "a word", "empty text", "half an expression", "a huge text"),
		"json?":     append(slices.Clone(text), "a word", "half an expression", "a huge text"),
		"yaml":      append(slices.Clone(text), "half an expression", "a huge text"),
		"form":      but(all, "empty text"),
		"pattern":   append(slices.Clone(text), "half an expression"),
		"url":       append(slices.Clone(text), "a bad address"),
		"version":   append(but(all, "a number as text", "a fraction as text", "a date that does not exist"), "a version"), "constraint": append(slices.Clone(text), "a word"),
		"list": list, "list?": but(list, "nothing"), "dict": dict, "dict?": but(dict, "nothing"),
		"bool": but(all, "truth"), "comparable": comparable,
		"ordered": append(comparable, "nothing", "truth"),
		"sized":   but(all, append(texts, "a list", "a list with a missing item", "a dictionary")...),
		"index":   append(slices.Clone(integer), "minus one", "nothing"),
		"indexed": but(all, "nothing", "a list", "a list with a missing item", "a dictionary"),
	}
}()

// samples are right values for the other positions.
var samples = map[string]any{
	"text": "2006", "time": 0, "zone": "UTC", "layouted": "2024", "durationtext": "1h", "duration": "1h", "pattern": "a",
	"base64": "YQ==", "base32": "ME======", "json": "1", "json?": "1", "yaml": "1", "form": "a=1", "url": "http://a", "version": "1", "constraint": "1",
	"list": []any{3}, "list?": []any{3}, "dict": map[string]any{"2006": 3}, "dict?": map[string]any{"2006": 3}, "bool": true,
	"encrypted": "",
	"wholetext": "3", "sized": []any{3}, "indexed": []any{3, 3, 3, 3},
}

func sampleOf(kind string) any {
	if sample, ok := samples[kind]; ok {
		return sample
	}
	return 3
}

// parametersOf returns the kinds of the parameters of a function. A variadic one is there twice.
func parametersOf(name string) []string {
	var all []string
	for kind := range strings.FieldsSeq(everyFunction[name].parameters) {
		plain := strings.TrimSuffix(kind, "...")
		all = append(all, plain)
		if plain != kind {
			all = append(all, plain)
		}
	}
	return all
}

// samplesFor returns right arguments for a function.
func samplesFor(kinds []string) []any {
	args := make([]any, len(kinds))
	for i, kind := range kinds {
		args[i] = sampleOf(kind)
	}
	return args
}

// TestNoFunctionLies gives every function in every position each value that it cannot read there.
func TestNoFunctionLies(t *testing.T) {
	for name := range everyFunction {
		t.Run(name, func(t *testing.T) {
			kinds := parametersOf(name)
			set := compileCall(t, name, len(kinds))
			for i, kind := range kinds {
				unreadable, known := unreadableBy[kind]
				if !known {
					t.Fatalf("there is no kind %q", kind)
				}
				for _, value := range unreadable {
					args := samplesFor(kinds)
					args[i] = values[value]
					errs := set.Render(t.Context(), args, func(int, Rendered) {})
					if len(errs) == 0 {
						t.Errorf("%s takes %s (%v) as argument %d, a %s", name, value, values[value], i+1, kind)
					}
					checkMessage(t, set, args)
					if text, ok := values[value].(string); ok && len(text) > 3 && strings.Contains(messages(errs), text) {
						t.Errorf("%s shows its argument, which may be a part of a payload: %s", name, messages(errs))
					}
				}
			}
		})
	}
}

// TestMustChangesNothing gives each function whose name begins with must, and the one without, all values in every
// position: both take and refuse the same. Only mustFromJson refuses the empty text.
func TestMustChangesNothing(t *testing.T) {
	for must := range everyFunction {
		lenient := strings.TrimPrefix(must, "must_")
		if rest := strings.TrimPrefix(must, "must"); lenient == must && rest != must {
			lenient = strings.ToLower(rest[:1]) + rest[1:]
		}
		if lenient == must {
			continue
		}
		kinds := parametersOf(must)
		result := func(function string, args []any) string {
			call := function
			for i := range args {
				call += fmt.Sprintf(" (index . %d)", i)
			}
			set, errs := Compile([]Source{{Text: "{{ toJson (" + call + ") }}"}}, nil)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			got := strings.ReplaceAll(rendered(t, set, args), must, lenient)
			return regexp.MustCompile(`^column \d+`).ReplaceAllString(got, "column")
		}
		for i := range kinds {
			for name, value := range values {
				args := samplesFor(kinds)
				args[i] = value
				strict, got := result(must, args), result(lenient, args)
				if got != strict && (must != "mustFromJson" || value != "") {
					t.Errorf("%s with %s as argument %d is %q, and %s %q", lenient, name, i+1, got, must, strict)
				}
			}
		}
	}
}

// TestEqualNumbersAreEqual gives every function 3 in all types that a number can have: the result must be the same.
func TestEqualNumbersAreEqual(t *testing.T) {
	aboutTypes := []string{"typeOf", "typeIs", "typeIsLike", "kindOf", "kindIs"}
	random := []string{"randAlpha", "randAlphaNum", "randAscii", "randNumeric", "randBytes", "shuffle", "uuidv4", "randInt"}
	for name := range everyFunction {
		if slices.Contains(append(aboutTypes, random...), name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			kinds := parametersOf(name)
			call := name
			for i := range kinds {
				call += fmt.Sprintf(" (index . %d)", i)
			}
			set, errs := Compile([]Source{{Text: "{{ toJson (" + call + ") }}"}}, nil)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			for i := range kinds {
				var first string
				for _, number := range []any{3, int64(3), 3.0} {
					args := samplesFor(kinds)
					args[i] = number
					got := rendered(t, set, args)
					if first == "" {
						first = got
					}
					if got != first {
						t.Errorf("%s with %T as argument %d is %s, and with int %s", name, number, i+1, got, first)
					}
				}
			}
		})
	}
}

// rendered returns what a set of one template renders to, or its error, without the kind of number that it names.
func rendered(t *testing.T, set *Set, data any) (result string) {
	errs := set.Render(t.Context(), data, func(_ int, r Rendered) { result = r.Text })
	if len(errs) > 0 {
		return strings.ReplaceAll(errs[0].Message, "a fraction", "a number")
	}
	return result
}
