package gotemplate

import (
	"strings"
	"testing"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

func TestYAMLTakesEveryCharacter(t *testing.T) {
	var all strings.Builder
	var each []string
	for r := range rune(0x10100) { // The other planes are like the second one.
		if utf8.ValidRune(r) {
			all.WriteRune(r)
			each = append(each, string(r), "a"+string(r)+"b")
		}
	}
	text, err := YAML(map[string]any{"all": all.String(), "each": each, all.String(): "key"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		All  string   `json:"all"`
		Each []string `json:"each"`
	}
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.All != all.String() {
		t.Error("a string of all characters came back as another one")
	}
	if len(got.Each) != len(each) {
		t.Fatalf("%d strings came back of %d", len(got.Each), len(each))
	}
	for i := range each {
		if got.Each[i] != each[i] {
			t.Errorf("%q came back as %q", each[i], got.Each[i])
		}
	}
}

// TestYAMLIsThatOfKubectl holds the form of what needs no escape.
func TestYAMLIsThatOfKubectl(t *testing.T) {
	value := map[string]any{"b": []any{1, 2.5, nil, true, "yes", "1e3", "é 😀", "two\nlines\n"}, "a": map[string]any{"<&>": "\u2028\t"}}
	got, err := YAML(value)
	if err != nil {
		t.Fatal(err)
	}
	want, err := yaml.Marshal(value)
	if err != nil || string(got) != string(want) {
		t.Errorf("got\n%s\nwant, with the error %v,\n%s", got, err, want)
	}
}
