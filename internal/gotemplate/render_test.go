package gotemplate

import (
	"context"
	"reflect"
	"strings"
	"testing"
)

// testData is what the templates of tests see. It looks like what the templates of Jobs see, so that those can be
// tried too.
type testData struct {
	Name, Namespace, Payload string
	JobTemplate              struct {
		Name                string
		Labels, Annotations map[string]any
	}
}

// testDataType is what is said of testData when a template is compiled.
var testDataType = reflect.TypeFor[struct {
	Name, Namespace, Payload string
	JobTemplate              struct {
		Name                string
		Labels, Annotations map[string]string
	}
}]()

func dataOf(payload string) testData {
	data := testData{Name: "run-1", Namespace: "jobs", Payload: payload}
	data.JobTemplate.Name = "example"
	data.JobTemplate.Labels = map[string]any{"team": "blue"}
	data.JobTemplate.Annotations = map[string]any{"note": "hello"}
	return data
}

// dollarEscaper doubles each dollar that an action prints.
type dollarEscaper struct{}

func (dollarEscaper) Action(text string) string        { return strings.ReplaceAll(text, "$", "$$") }
func (dollarEscaper) Literal(out []byte, _ int) []byte { return out }

// compile compiles one template.
func compile(template string) (*Set, []Error) {
	return Compile([]Source{{Text: template, Escape: dollarEscaper{}}}, testDataType)
}

// render compiles a template and renders it.
func render(t testing.TB, template, payload string) (text string, errs []Error) {
	t.Helper()
	return renderUntil(t.Context(), template, payload)
}

// renderUntil is render with the deadline of ctx in place of the limit for time, where ctx has one.
func renderUntil(ctx context.Context, template, payload string) (text string, errs []Error) {
	set, errs := compile(template)
	if len(errs) > 0 {
		return "", errs
	}
	errs = set.Render(ctx, dataOf(payload), func(_ int, rendered Rendered) { text = rendered.Text })
	return text, errs
}

// messages returns the messages of errs, one a line.
func messages(errs []Error) string {
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Message)
	}
	return strings.Join(lines, "\n")
}
