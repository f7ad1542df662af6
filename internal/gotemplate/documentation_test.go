package gotemplate

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documentedExample is a row of docs/functions.md.
type documentedExample struct{ function, template, prints string }

var (
	// exampleRow matches a row: `NAME ARGUMENTS` | result | `example` | `what it prints`. A | in a cell is escaped.
	exampleRow     = regexp.MustCompile("(?m)^\\| `(\\w+)[^`]*` \\| (?:[^|\\\\]|\\\\.)+ \\| `([^`]+)` \\| `([^`]+)` \\|$")
	examplePayload = regexp.MustCompile("(?s)```json\n(.*?)\n```")
)

// readExamples returns the rows of docs/functions.md, and the payload that they are rendered with.
func readExamples(t *testing.T) (examples []documentedExample, payload string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/functions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range exampleRow.FindAllStringSubmatch(string(page), -1) {
		plain := strings.NewReplacer(`\|`, "|")
		examples = append(examples, documentedExample{row[1], plain.Replace(row[2]), plain.Replace(row[3])})
	}
	found := examplePayload.FindStringSubmatch(string(page))
	if found == nil {
		t.Fatal("docs/functions.md has no payload in JSON")
	}
	rows := strings.Count(string(page), "\n| `")
	if rows != len(examples) {
		t.Errorf("%d rows of %d have another form than NAME, result, example, print", rows-len(examples), rows)
	}
	return examples, found[1]
}

// TestDocumentedExamples renders each example of docs/functions.md: the page must have one for each function, which
// calls it, and must say what it prints.
func TestDocumentedExamples(t *testing.T) {
	examples, payload := readExamples(t)
	count := map[string]int{"and": -1, "or": -1}
	for name := range functions {
		count[name] = -1
	}
	for _, example := range examples {
		count[example.function]++
		if !regexp.MustCompile(`\b` + example.function + `\b`).MatchString(example.template) {
			t.Errorf("the example of %s does not call it: %s", example.function, example.template)
		}
		if got := renderExample(t, example.template, payload); got != example.prints {
			t.Errorf("%s prints %s, and docs/functions.md says %s", example.template, got, example.prints)
		}
	}
	maps.DeleteFunc(count, func(_ string, rows int) bool { return rows == 0 })
	if len(count) > 0 {
		t.Errorf("functions without a row (-1), or with more than one or unknown: %v", count)
	}
}

// renderExample returns what a template prints, or its errors.
func renderExample(t *testing.T, template, payload string) (printed string) {
	set, errs := Compile([]Source{{Text: template}}, testDataType)
	if len(errs) > 0 {
		return messages(errs)
	}
	errs = set.Render(t.Context(), dataOf(payload), func(_ int, rendered Rendered) {
		printed = rendered.Text
		if rendered.LeftOut {
			printed = "(left out)"
		}
	})
	return printed + messages(errs)
}

// TestFunctionsThatAreNotAvailable holds docs/templates.md to the table of functions that are left out.
func TestFunctionsThatAreNotAvailable(t *testing.T) {
	text, err := os.ReadFile("../../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Functions that are not available\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*`) \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[1], -1) {
			documented[name[1]] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(unavailable)), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("functions left out (-in the code +in docs/templates.md):\n%s", diff)
	}
}
