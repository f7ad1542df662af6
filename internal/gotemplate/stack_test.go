package gotemplate

import (
	"runtime/debug"
	"strings"
	"testing"
)

// TestStack nests all that can be nested, in templates that call each other as deep as they can. The stack is that of
// a process for rendering.
func TestStack(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(maxStack))
	const blocks = maxBlocks - 4
	for name, row := range map[string]struct{ template, want string }{
		"blocks":      {`{{ define "a" }}` + strings.Repeat("{{ with $ }}", blocks) + `{{ template "a" . }}` + strings.Repeat("{{ end }}", blocks) + `{{ end }}{{ template "a" . }}`, limitLevels},
		"loops":       {`{{ define "a" }}` + strings.Repeat("{{ range list $ }}", blocks) + `{{ template "a" . }}` + strings.Repeat("{{ end }}", blocks) + `{{ end }}{{ template "a" . }}`, limitLevels},
		"parentheses": {`{{ define "a" }}{{ template "a" ` + strings.Repeat("(list ", blocks) + "." + strings.Repeat(")", blocks) + ` }}{{ end }}{{ template "a" . }}`, limitNesting},
		"else ifs":    {`{{ define "a" }}` + strings.Repeat("{{ if false }}{{ else }}", blocks) + `{{ template "a" . }}` + strings.Repeat("{{ end }}", blocks) + `{{ end }}{{ template "a" . }}`, limitLevels},
	} {
		t.Run(name, func(t *testing.T) {
			if errs := renderPatiently(t, row.template); !strings.Contains(messages(errs), row.want) {
				t.Errorf("refused with %q, want %q", messages(errs), row.want)
			}
		})
	}
}
