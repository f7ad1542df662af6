package gotemplate

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// renderWhole is render, and also says whether the template was left out.
func renderWhole(t *testing.T, template, payload string) (is Rendered, errs []Error) {
	t.Helper()
	set, errs := compile(template)
	if len(errs) > 0 {
		return is, errs
	}
	errs = set.Render(t.Context(), dataOf(payload), func(_ int, rendered Rendered) { is = rendered })
	return is, errs
}

// TestLeaveOut tests which templates are left out.
func TestLeaveOut(t *testing.T) {
	rows := []struct {
		template string
		payload  string
		want     Rendered
	}{
		{`{{ leaveOut }}`, "", Rendered{LeftOut: true}},
		{` {{- if (fromJson .Payload).verbose }}--verbose{{ else }}{{ leaveOut }}{{ end }}`, `{}`, Rendered{LeftOut: true}},
		{` {{- if (fromJson .Payload).verbose }}--verbose{{ else }}{{ leaveOut }}{{ end }}`, `{"verbose":true}`, Rendered{Text: "--verbose"}},
		{"\n {{ leaveOut }}\t\n", "", Rendered{LeftOut: true}},
		{`{{ leaveOut }}{{ leaveOut }}`, "", Rendered{LeftOut: true}},
		{`{{ .Payload | default leaveOut }}`, "", Rendered{LeftOut: true}},
		{`{{ .Payload | default leaveOut }}`, "x", Rendered{Text: "x"}},
		{`{{ or .Payload leaveOut }}`, "", Rendered{LeftOut: true}},
		{`{{ coalesce .Payload leaveOut }}`, "", Rendered{LeftOut: true}},
		{`{{ ternary "--verbose" leaveOut (eq .Payload "x") }}`, "y", Rendered{LeftOut: true}},
		{`{{ dig "a" "b" leaveOut (fromJson .Payload) }}`, `{"a":{}}`, Rendered{LeftOut: true}},
		{`{{ $x := leaveOut }}{{ if eq .Payload "x" }}{{ $x = .Payload }}{{ end }}{{ $x }}`, "", Rendered{LeftOut: true}},
		{`{{ define "flag" }}{{ leaveOut }}{{ end }}{{ template "flag" }}`, "", Rendered{LeftOut: true}},
		{`{{ .Payload }}`, "{{ leaveOut }}", Rendered{Text: "{{ leaveOut }}"}},
		{`{{ .Payload }}`, "leaveOut", Rendered{Text: "leaveOut"}},
		{`{{ (fromJson .Payload).a }}`, `{"a":"gotemplate.leftOut{}"}`, Rendered{Text: "gotemplate.leftOut{}"}},
		{`{{ .Payload }}`, "", Rendered{}},
	}
	for _, row := range rows {
		if got, errs := renderWhole(t, row.template, row.payload); len(errs) > 0 || got != row.want {
			t.Errorf("%s of %q: got %+v %s", row.template, row.payload, got, messages(errs))
		}
	}
}

// TestLeaveOutBesideText tests that the error names the action that leaves out.
func TestLeaveOutBesideText(t *testing.T) {
	for template, place := range map[string]string{
		`a{{ leaveOut }}`:  "column 5: ",
		`{{ leaveOut }}-a`: "column 4: ",
		`{{ .Payload | default leaveOut }}, {{ .Name }}`:                          "column 4: ",
		"a\n{{ if .Payload }}b{{ else }}\n  {{ leaveOut }}{{ end }}":              "line 3, column 6: ",
		`{{ define "x" }}{{ leaveOut }}{{ end }}a{{ template "x" }}`:              "column 20: ",
		`{{ if .Payload }}{{ leaveOut }}{{ else }}{{ leaveOut }}{{ end }}{{ 1 }}`: "column 45: ",
	} {
		_, errs := renderWhole(t, template, "")
		if want := place + errLeftOutBeside.Error(); messages(errs) != want {
			t.Errorf("%s: got %q, want %q", template, messages(errs), want)
		}
	}
}

// TestLeaveOutIsNoText tests that nothing can be made of what leaveOut gives, and nothing stands beside it.
func TestLeaveOutIsNoText(t *testing.T) {
	for _, template := range []string{
		`a{{ leaveOut }}`, `{{ leaveOut }}a`, `{{ .Name }}{{ leaveOut }}`, `{{ range list 1 2 }}{{ . }}{{ else }}{{ end }}{{ leaveOut }}`,
		`{{ printf "%v" leaveOut }}`, `{{ range leaveOut }}{{ end }}`, `{{ (leaveOut).x }}`, `{{ len leaveOut }}`, `{{ leaveOut 1 }}`,
		`{{ list leaveOut | first }}`, `{{ (dict "a" leaveOut).a }}`, `{{ join "," (list "a" leaveOut) }}`, `{{ leaveOut | quote }}`,
	} {
		if got, errs := renderWhole(t, template, "p"); len(errs) == 0 {
			t.Errorf("%s: got %+v", template, got)
		} else if message := messages(errs); strings.Contains(message, "leftOut") {
			t.Errorf("%s: %s", template, message)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		if slices.Contains(takeLeftOut, name) {
			continue
		}
		typ := reflect.TypeOf(functions[name].fn)
		for arity := range arities(typ) {
			for position := range arity {
				args := make([]reflect.Value, arity)
				fits := false
				for i := range args {
					args[i] = reflect.Zero(parameter(typ, i))
					if arg, ok := asArgument(leftOut{}, parameter(typ, i)); i == position && ok {
						args[i], fits = arg, true
					}
				}
				b := newBudget(t.Context(), defaultLimits)
				if result, err := callFunction(name, &b, args); fits && err == nil {
					t.Errorf("%s makes %v of it", name, result)
				}
			}
		}
	}
}
