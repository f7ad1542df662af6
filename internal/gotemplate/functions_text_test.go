package gotemplate

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/Masterminds/sprig/v3"
)

// manyBytes are texts whose characters have more than one byte.
var manyBytes = []string{
	"日本語 の テキスト", "👩‍👩‍👧‍👦 family", "e\u0301a\u0308 o\u0302", "ﷺ é", "İıßŉ Ǆ", "\u0080\u2028 \U0010FFFF", "a b-c_d é", "",
}

// TestTextStaysText calls every function with texts whose characters have more than one byte, and with small numbers:
// what comes back must be valid UTF-8, with no character that was not there.
func TestTextStaysText(t *testing.T) {
	exempt := []string{"index"} // It gives bytes as numbers.
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		if slices.Contains(exempt, name) {
			continue
		}
		typ := reflect.TypeOf(functions[name].fn)
		calls := 0
		for arity := range arities(typ) {
			for _, text := range manyBytes {
				for n := -3; n < 12; n++ {
					calls++
					args := make([]reflect.Value, arity)
					for i := range args {
						args[i] = smallArgument(parameter(typ, i), text, n, i)
					}
					b := newBudget(t.Context(), defaultLimits)
					result, err := callFunction(name, &b, args)
					if printed := fmt.Sprint(result); err == nil && !isText(printed) {
						t.Errorf("%s of %q and %d gives %q", name, text, n, printed)
					}
				}
			}
		}
		if calls == 0 {
			t.Errorf("%s was not called", name)
		}
	}
}

func isText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsRune(text, utf8.RuneError)
}

// smallArgument returns an argument for a parameter: a text or a number, or a zero value.
func smallArgument(param reflect.Type, text string, n, i int) reflect.Value {
	for _, value := range []any{n + i, text, []any{text}, map[string]any{"a": text}} {
		if param.Kind() == reflect.Interface && i%2 == 0 {
			return reflect.ValueOf(&text).Elem().Convert(param)
		}
		if arg, ok := asArgument(value, param); ok {
			return arg
		}
	}
	return reflect.Zero(param)
}

// TestTextAsInSprig calls the functions that differ from sprig's in how they count with plain ASCII, where both must
// agree, wherever sprig's do not panic and the numbers make sense.
func TestTextAsInSprig(t *testing.T) {
	texts := []string{"", "a", "abcdefghij", "one two  three four", " lead and trail ", "averyveryverylongword and more", "a b c d e f"}
	fromSprig := sprig.TxtFuncMap()
	for _, name := range []string{"trunc", "substr", "abbrev", "abbrevboth", "wrap", "wrapWith", "initials", "nospace", "repeat", "indent", "nindent"} {
		typ := reflect.TypeOf(functions[name].fn)
		compared := 0
		for _, text := range texts {
			for a := -2; a < 24; a++ {
				for b := -1; b < 24; b++ {
					numbers := []int{a, b}
					args := make([]any, typ.NumIn())
					for i := range args {
						args[i] = text
						if typ.In(i).Kind() == reflect.Int {
							args[i], numbers = numbers[0], numbers[1:]
						} else if i < len(args)-1 {
							args[i] = "|"
						}
					}
					want, ok := callSprig(fromSprig[name], args)
					got, err := callText(t, name, args)
					if err != nil || !ok {
						continue
					}
					compared++
					if got != want {
						t.Fatalf("%s %q gives %q, and sprig's %q", name, args, got, want)
					}
				}
			}
		}
		if compared < 100 {
			t.Errorf("%s: only %d calls compared", name, compared)
		}
	}
}

// callSprig calls a function of sprig, and says whether it did not panic.
func callSprig(fn any, args []any) (result string, ok bool) {
	defer func() { ok = recover() == nil }()
	in := make([]reflect.Value, len(args))
	for i, arg := range args {
		in[i] = reflect.ValueOf(arg)
	}
	return reflect.ValueOf(fn).Call(in)[0].String(), true
}

func callText(t *testing.T, name string, args []any) (string, error) {
	b := newBudget(t.Context(), defaultLimits)
	in := make([]reflect.Value, len(args))
	for i, arg := range args {
		in[i] = reflect.ValueOf(arg)
	}
	result, err := callFunction(name, &b, in)
	text, _ := result.(string)
	return text, err
}

// TestCutsBetweenCharacters tests what the functions make of texts whose characters have more than one byte.
func TestCutsBetweenCharacters(t *testing.T) {
	rows := []struct{ template, want string }{
		{`{{ trunc 5 "日本語のテキスト" }}`, "日本語のテ"},
		{`{{ trunc -3 "日本語のテキスト" }}`, "キスト"},
		{`{{ trunc -30 "日本" }} {{ trunc 30 "日本" }} {{ trunc 0 "日本" }}`, "日本 日本 "},
		{`{{ substr 2 4 "日本語のテキスト" }} {{ substr -1 2 "日本語" }} {{ substr 1 -1 "日本語" }} {{ substr 1 9 "日本語" }}`, "語の 日本 本語 本語"},
		{`{{ abbrev 6 "日本語のテキスト" }} {{ abbrev 8 "日本語のテキスト" }}`, "日本語... 日本語のテキスト"},
		{`{{ abbrevboth 5 11 "日本語のテキストは長いです" }}`, "...キストは長いです"},
		{`{{ abbrevboth 5 7 "日本語のテキストは長いですよね" }}`, "...キ..."},
		{`{{ wrap 3 "日本 語の テキスト" }}`, "日本\n語の\nテキスト"},
		{`{{ wrapWith 3 "|" "日本 語の テキスト" }}`, "日本|語の|テキス|ト"},
		{`{{ initials "Émile  日本 ärger" }}`, "É日ä"},
		{`{{ nospace "日 本\u3000語" }}`, "日本語"},
		{`{{ indent 2 "日\n本" }}`, "  日\n  本"},
		{`{{ swapcase "éA ß" }} {{ title "école été" }} {{ untitle "École" }}`, "Éa ß École Été école"},
		{`{{ camelcase "été_été" }} {{ snakecase "ÉtéÉté" }} {{ kebabcase "ÉtéÉté" }}`, "ÉtéÉté été_été été-été"},
	}
	for _, row := range rows {
		if got, errs := render(t, row.template, ""); len(errs) > 0 || got != row.want {
			t.Errorf("%s gives %q, want %q %v", row.template, got, row.want, errs)
		}
	}
	for _, refused := range []string{
		`{{ abbrev 3 "abcdef" }}`, `{{ abbrevboth 5 6 "abcdefghijkl" }}`, `{{ repeat -1 "a" }}`, `{{ indent -1 "a" }}`,
		`{{ nindent -1 "a" }}`, `{{ substr 3 9 "日本" }}`, `{{ substr 2 1 "日本語" }}`,
	} {
		if got, errs := render(t, refused, ""); len(errs) == 0 {
			t.Errorf("%s gives %q", refused, got)
		}
	}
}
