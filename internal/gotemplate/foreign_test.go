package gotemplate

import (
	"fmt"
	"strings"
	"testing"
)

// TestForeignBraces tests that the error names the place of another program's {{, and says how to pass it on.
func TestForeignBraces(t *testing.T) {
	for reason, action := range map[string]string{
		"docker":                       "docker ps --format '{{.Names}}'",
		"docker, with a function":      "docker inspect -f '{{json .State}}' x",
		"docker, with a pipe":          "docker ps --format '{{.Image | shorten}}'",
		"kubectl":                      `kubectl get po -o go-template='{{range .items}}{{.metadata.name}}{{"\n"}}{{end}}'`,
		"Helm":                         "echo {{ .Values.image.tag }}",
		"Helm, a defined template":     `echo {{ template "chart.name" . }}`,
		"Helm, an included template":   `echo {{ include "chart.name" . }}`,
		"Jinja":                        "echo {{ user.name }}",
		"Jinja, an item":               "echo {{ hostvars['a'].ip }}",
		"Jinja, a filter":              "echo {{ name | default('x') }}",
		"Jinja, a word of ours":        "echo {{ title }}",
		"Mustache":                     "echo {{name}}",
		"Mustache, a section":          "echo {{#names}}x{{/names}}",
		"Mustache, a comment":          "echo {{! nothing }}",
		"Mustache, a partial":          "echo {{> header}}",
		"Mustache, without escapes":    "echo {{{ name }}}",
		"GitHub Actions":               "echo ${{ github.sha }}",
		"GitHub Actions, env":          "echo ${{ env.HOME }}",
		"GitHub Actions, a comparison": "echo ${{ matrix.os == 'linux' && 'a' || 'b' }}",
		"GitHub Actions, a hyphen":     "echo ${{ steps.build-image.outputs.tag }}",
		"Argo Workflows":               "echo {{workflow.name}}",
		"Argo Workflows, parameters":   "echo {{inputs.parameters.message}}",
		"Argo Workflows, expressions":  "echo {{=sprig.trim(inputs.parameters.x)}}",
		"Prometheus":                   "echo {{ $labels.instance }}",
		"Alertmanager":                 "echo {{ .CommonLabels.severity }}",
		"an f-string of Python":        `python3 -c 'print(f"{{"a": 1}}")'`,
		"an action without an end":     "echo {{ .Names",
		"Consul Template":              `echo {{ key "service/redis/maxconns" }}`,
		"Vault":                        `echo {{ with secret "secret/x" }}{{ .Data.password }}{{ end }}`,
		"Packer":                       "echo {{user `name`}} {{isotime}}",
		"GoReleaser":                   "echo {{ .Tag }}",
	} {
		t.Run(reason, func(t *testing.T) {
			lines := make([]string, 40)
			for i := range lines {
				lines[i] = fmt.Sprintf("echo line %d # %s", i+1, strings.Repeat("x", 100))
			}
			lines[22] = action
			text := strings.Join(lines, "\n")
			set, errs := compile(text)
			if len(errs) == 0 {
				errs = set.Render(t.Context(), dataOf("x"), func(int, Rendered) {})
			}
			if len(errs) == 0 {
				t.Fatal("no error")
			}
			place := fmt.Sprintf("line 23, column %d", strings.Index(action, "{{")+1)
			if at, _, _ := strings.Cut(errs[0].Message, ": "); !inAction(at, place, "}}", action) {
				t.Errorf("the place is %q, want about %q: %s", at, place, errs[0].Message)
			}
			for _, said := range []string{errs[0].Message, errs[0].Redacted} {
				if got := strings.Count(said, `write {{ "{{" }}`); got != 1 {
					t.Errorf("%d hints in %q", got, said)
				}
			}
			for i, err := range errs {
				if err.Excerpt != action {
					t.Errorf("quotes %q, want %q", err.Excerpt, action)
				}
				if i > 0 && strings.Contains(err.Message, `write {{ "{{" }}`) {
					t.Errorf("says it again: %s", err.Message)
				}
			}
		})
	}
}

// inAction says whether a place is in the first line and action that want names.
func inAction(got, want, end, action string) bool {
	var line, column, wantLine, wantColumn int
	if _, err := fmt.Sscanf(got, "line %d, column %d", &line, &column); err != nil {
		return false
	}
	_, _ = fmt.Sscanf(want, "line %d, column %d", &wantLine, &wantColumn)
	last := len(action)
	if found := strings.Index(action, end); found >= 0 {
		last = found
	}
	return line == wantLine && column >= wantColumn && column <= last+1
}

// TestNoForeignBraces tests that an action that is plainly ours has no such hint.
func TestNoForeignBraces(t *testing.T) {
	for _, text := range []string{
		"{{ .Payload[0] }}",
		"{{ shout .Payload }}",
		"{{ (fromJson .Payload).user == 1 }}",
		"{{ .Name-a }}",
		"{{ if .Name }}a",
		"{{ end }}",
		"{{ else }}",
		"{{ if }}{{ end }}",
		`{{ env "HOME" }}`,
		`{{ .Payload | fail }}`,
		`{{ fail "x" }}`,
		`{{ .Payload.user }}`,
	} {
		set, errs := compile(text)
		if len(errs) == 0 {
			errs = set.Render(t.Context(), dataOf("x"), func(int, Rendered) {})
		}
		if len(errs) == 0 || strings.Contains(errs[0].Message, `{{ "{{" }}`) {
			t.Errorf("%s: got %q", text, messages(errs))
		}
	}
}

// TestLiteralBraces tests that the advice is right.
func TestLiteralBraces(t *testing.T) {
	set, errs := compile(`docker ps --format '{{ "{{" }}.Names}}'`)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var got string
	if errs := set.Render(t.Context(), dataOf("x"), func(_ int, rendered Rendered) { got = rendered.Text }); len(errs) > 0 {
		t.Fatal(errs)
	}
	if want := "docker ps --format '{{.Names}}'"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestManyErrorsOfOneTemplate has more than are listed of one template.
func TestManyErrorsOfOneTemplate(t *testing.T) {
	_, errs := compile(strings.Repeat("{{ .Nmae }}\n", 9))
	if len(errs) != maxErrorsOfSource+1 || !strings.HasPrefix(errs[maxErrorsOfSource].Message, "4 more errors") {
		t.Errorf("got %q", messages(errs))
	}
}
