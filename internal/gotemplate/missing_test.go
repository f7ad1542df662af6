package gotemplate

import (
	"strings"
	"testing"
)

// TestNullIsMissing looks for what is not there, in every way: null is as good as a key that is absent.
func TestNullIsMissing(t *testing.T) {
	templates := []string{
		`{{ (fromJson .Payload).a.b | default "x" }}`,
		`{{ default "x" (fromJson .Payload).a.b }}`,
		`{{ $p := fromJson .Payload }}{{ $p.a.b | default "x" }}`,
		`{{ $p := fromJson .Payload }}{{ $a := $p.a }}{{ $a.b | default "x" }}`,
		`{{ with dict "p" (fromJson .Payload) }}{{ .p.a.b | default "x" }}{{ end }}`,
		`{{ range list (fromJson .Payload) }}{{ .a.b | default "x" }}{{ end }}`,
		`{{ range $p := list (fromJson .Payload) }}{{ $p.a.b.c.d | default "x" }}{{ end }}`,
		`{{ define "t" }}{{ .a.b | default "x" }}{{ end }}{{ template "t" (fromJson .Payload) }}`,
		`{{ ((fromJson .Payload).a).b | default "x" }}`,
		`{{ (index (fromJson .Payload) "a").b | default "x" }}`,
		`{{ index (fromJson .Payload) "a" "b" | default "x" }}`,
		`{{ dig "a" "b" "x" (fromJson .Payload) }}`,
		`{{ dig "a" "b" "c" "x" (fromJson .Payload) }}`,
		`{{ get (get (fromJson .Payload) "a" | default dict) "b" | default "x" }}`,
		`{{ coalesce (fromJson .Payload).a.b "x" }}`,
		`{{ if (fromJson .Payload).a.b }}y{{ else }}x{{ end }}`,
		`{{ if not (fromJson .Payload).a.b }}x{{ end }}`,
		`{{ if empty (fromJson .Payload).a.b }}x{{ end }}`,
		`{{ ternary "y" "x" (eq (fromJson .Payload).a.b 1) }}`,
		`{{ or (fromJson .Payload).a.b "x" }}`,
		`{{ range (fromJson .Payload).a.b }}y{{ else }}x{{ end }}`,
		`{{ with (fromJson .Payload).a.b }}y{{ else }}x{{ end }}`,
		`{{ first (pluck "b" (fromJson .Payload).a) | default "x" }}`,
		`{{ if kindIs "invalid" (fromJson .Payload).a.b }}x{{ end }}`,
		`{{ ((fromJson .Payload).a.b).Format "2006" | default "x" }}`,
		`{{ (fromYaml .Payload).a.b | default "x" }}`,
	}
	for _, payload := range []string{`{}`, `{"a":null}`, `{"a":{}}`, `{"a":{"b":null}}`} {
		for _, template := range templates {
			if got, errs := render(t, template, payload); len(errs) > 0 || got != "x" {
				t.Errorf("%s of %s: got %q and the errors %v", template, payload, got, errs)
			}
		}
		for _, template := range []string{
			`{{ (fromJson .Payload).a.b }}`, `{{ (fromJson .Payload).a.b | upper }}`, `{{ upper (fromJson .Payload).a.b }}`,
			`{{ print (fromJson .Payload).a.b }}`, `{{ list (fromJson .Payload).a.b }}`, `{{ add 1 (fromJson .Payload).a.b }}`,
			`{{ date "2006" (fromJson .Payload).a.b }}`, `{{ keys (fromJson .Payload).a.b }}`,
			`{{ first (fromJson .Payload).a.b }}`, `{{ index (fromJson .Payload) "a" "b" }}`,
		} {
			_, errs := render(t, template, payload)
			if len(errs) != 1 || !strings.Contains(errs[0].Message, "has no value") {
				t.Errorf("%s of %s: got %q", template, payload, messages(errs))
			}
		}
	}
}

// TestFieldErrors tests what is said of a value that cannot have the field.
func TestFieldErrors(t *testing.T) {
	payload := `{"text":"a","list":[1],"number":1,"big":18446744073709551615,"object":{"a":{"b":true}}}`
	for template, want := range map[string]string{
		`{{ (fromJson .Payload).text.a }}`:                         `column 5: (fromJson .Payload).text is text and has no .a`,
		`{{ (fromJson .Payload).list.a.b }}`:                       `(fromJson .Payload).list is a list and has no .a`,
		`{{ (fromJson .Payload).number.a }}`:                       `(fromJson .Payload).number is a number and has no .a`,
		`{{ (fromJson .Payload).big.String }}`:                     `(fromJson .Payload).big is a number with too many digits and has no .String`,
		`{{ $p := fromJson .Payload }}{{ $p.object.a.b.c }}`:       `$p.object.a.b is a truth value and has no .c`,
		`{{ with fromJson .Payload }}{{ .object.a.b.c }}{{ end }}`: `.object.a.b is a truth value and has no .c`,
		`{{ range (fromJson .Payload).list }}{{ .a }}{{ end }}`:    `a number has no .a`,
		`{{ now.Unixes }}`:                                         `now is a time and has no .Unixes`,
		`{{ $n := now }}{{ $n.Format }}`:                           `Format takes 1 argument, and not 0`,
		`{{ $n := 1 }}{{ $n.Format "2006" }}`:                      `a number has no .Format`,
		`{{ upper (fromJson .Payload).object.none }}`:              `(fromJson .Payload).object.none has no value`,
		`{{ upper ((fromJson .Payload).none).none }}`:              `((fromJson .Payload).none).none has no value`,
		`{{ upper (trunc 2 (fromJson .Payload).none.none) }}`:      `(fromJson .Payload).none.none has no value`,
		`{{ upper (index (fromJson .Payload) "none") }}`:           `an argument has no value, in: upper (index`,
		`{{ (fromJson .Payload).none | trunc 3 }}`:                 `column 37: an argument has no value, in: (fromJson .Payload).none | trunc 3`,
		`{{ (fromJson .Payload).none | replace "a" "b" }}`:         `an argument has no value, in: (fromJson .Payload).none | replace`,
		`{{ dig "text" "a" "x" (fromJson .Payload) }}`:             `takes a dictionary with the key "a", and not text`,
	} {
		if _, errs := render(t, template, payload); len(errs) != 1 || !strings.Contains(errs[0].Message, want) {
			t.Errorf("%s: got %q, want %q", template, messages(errs), want)
		}
	}
}

// TestManyFields takes more fields than fit in a stack of calls.
func TestManyFields(t *testing.T) {
	if _, errs := render(t, `{{ (fromJson "{}")`+strings.Repeat(".a", 15_000)+` | default "x" }}`, ""); len(errs) > 0 {
		t.Error(errs)
	}
	if _, errs := compile(`{{ (fromJson "{}")` + strings.Repeat(".a", 30_000) + ` }}`); len(errs) == 0 {
		t.Error("30000 fields were taken")
	}
}
