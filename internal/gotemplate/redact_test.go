package gotemplate

import (
	"reflect"
	"strings"
	"testing"
)

// secret is a constant that no redacted message may contain, nor a part of it.
const secret = "Zq7xSecretWord"

func TestRedactedMessages(t *testing.T) {
	for reason, text := range map[string]string{
		"a pattern":                `{{ mustRegexMatch (print "` + secret + `" "(") . }}`,
		"a pattern in backquotes":  "{{ mustRegexMatch `" + secret + "(` . }}",
		"a date":                   `{{ mustToDate "2006-01-02" "` + secret + `" }}`,
		"a part of a date":         `{{ mustToDate "2006-01-02" "2026-` + secret + `" }}`,
		"a layout":                 `{{ mustToDate "` + secret + `" . }}`,
		"a time zone":              `{{ dateInZone "2006" now "` + secret + `" }}`,
		"a URL":                    `{{ urlParse "http://` + secret + `:%zz/" }}`,
		"a duration":               `{{ mustDateModify "` + secret + `" now }}`,
		"JSON":                     `{{ mustFromJson "` + secret + `" }}`,
		"YAML":                     `{{ fromYaml "{` + secret + `" }}`,
		"base64":                   `{{ b64dec "` + secret + `!" }}`,
		"a version":                `{{ semver "` + secret + `" }}`,
		"an argument of an index":  `{{ index (dict "a" "` + secret + `") "b" "c" }}`,
		"an escaped constant":      `{{ mustRegexMatch "\"` + secret + `\"(" . }}`,
		"a missing value":          `{{ get (dict "a" "` + secret + `") "b" }}{{ (index (list nil) 0).` + `x }}`,
		"a value beside":           `{{ (dict "` + secret + `" 1).b }}`,
		"an action that is long":   `{{ index (dict "a" "` + strings.Repeat(secret, 40) + `") "b" "c" }}`,
		"a value without fields":   `{{ (index (dict "a" "` + secret + `") "a").b }}`,
		"a field over the edge":    `{{ (index (dict "a" "` + strings.Repeat("x", 225) + secret + `") "a").b }}`,
		"a field of nothing":       `{{ upper (index (dict "a" "` + strings.Repeat("x", 225) + secret + `") "b").b }}`,
		"a constant over the edge": `{{ index (dict "a" "` + strings.Repeat("x", 225) + secret + `") "b" "c" }}`,
	} {
		set, errs := Compile([]Source{{Text: text}}, reflect.TypeFor[string]())
		if len(errs) > 0 {
			t.Errorf("%s does not compile: %v", reason, errs)
			continue
		}
		errs = set.Render(t.Context(), "boom", func(int, Rendered) {})
		if len(errs) != 1 {
			t.Errorf("%s: got %v, want one error", reason, errs)
			continue
		}
		if strings.Contains(errs[0].Redacted, secret[:4]) || strings.Contains(errs[0].Redacted, secret[10:]) {
			t.Errorf("%s is in the redacted message: %s", reason, errs[0].Redacted)
		}
	}
}

func TestRedactedMessagesStayOfUse(t *testing.T) {
	for text, want := range map[string]string{
		`{{ fail "no order" }}`:                             "no order",
		`{{ required "an order is needed" (dict).x }}`:      "an order is needed",
		`{{ (fromJson .).order }}`:                          "(fromJson .).order has no value",
		`{{ (fromJson .).order }} {{ get (dict) "order" }}`: "(fromJson .).order has no value",
	} {
		set, errs := Compile([]Source{{Text: text}}, reflect.TypeFor[string]())
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		errs = set.Render(t.Context(), "{}", func(int, Rendered) {})
		if len(errs) != 1 || !strings.Contains(errs[0].Redacted, want) {
			t.Errorf("%s: got %v, want %q", text, errs, want)
		}
	}
}
