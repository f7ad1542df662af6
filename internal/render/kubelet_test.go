package render

import (
	"strings"
	"testing"
)

// kubeletExpand expands text as the kubelet does by the rules of
// https://github.com/kubernetes/design-proposals-archive/blob/main/node/expansion.md: $$ is $, $(NAME) is the
// variable of that name or stays as it is where there is none, and any other $ is itself. It does not look at what it
// put in.
func kubeletExpand(text string, variables map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		next := byte(0)
		if i+1 < len(text) {
			next = text[i+1]
		}
		switch {
		case text[i] == '$' && next == '$':
			out.WriteByte('$')
			i++
		case text[i] == '$' && next == '(' && strings.Contains(text[i:], ")"):
			name, _, _ := strings.Cut(text[i+2:], ")")
			if value, ok := variables[name]; ok {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name + ")")
			}
			i += len(name) + 2
		default:
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

// awkward are payloads that came out changed, or read a variable, where nothing was escaped.
var awkward = []string{
	"", "plain", "$", "$$", "$$5", "$5", "$(", "$()", "$(DB_PASSWORD)", "$$(DB_PASSWORD)", "$$$(DB_PASSWORD)", "(DB_PASSWORD)",
	"DB_PASSWORD)", "DB_PASSWORD", ")", "a$", "$(A$(DB_PASSWORD)", "${DB_PASSWORD}", "`id`", "$(id)", "\n$\n(", "é$(ö)", "{{ .Name }}", "{{", "%s",
}

func TestPayloadArrivesByteForByte(t *testing.T) {
	variables := map[string]string{"AUTHOR": "<author>", "DB_PASSWORD": "<leak>", "": "<leak>", "A": "<leak>", "X": "<leak>"}
	rows := map[string]struct {
		template string
		want     func(payload string) string
	}{
		"alone":                       {"{{ .Payload }}", func(p string) string { return p }},
		"twice":                       {"{{ .Payload }}{{ .Payload }}", func(p string) string { return p + p }},
		"after $":                     {"${{ .Payload }}", func(p string) string { return "$" + p }},
		"after $$, which is a $":      {"$${{ .Payload }}", func(p string) string { return "$" + p }},
		"after $$$":                   {"$$${{ .Payload }}", func(p string) string { return "$$" + p }},
		"after $(":                    {"$({{ .Payload }}", func(p string) string { return "$(" + p }},
		"as a name":                   {"$({{ .Payload }})", func(p string) string { return "$(" + p + ")" }},
		"as part of a name":           {"$(DB_{{ .Payload }}WORD)", func(p string) string { return "$(DB_" + p + "WORD)" }},
		"before (":                    {"{{ .Payload }}(DB_PASSWORD)", func(p string) string { return p + "(DB_PASSWORD)" }},
		"between $ and (":             {"${{ .Payload }}(DB_PASSWORD)", func(p string) string { return "$" + p + "(DB_PASSWORD)" }},
		"between references":          {"$(AUTHOR){{ .Payload }}$(AUTHOR)", func(p string) string { return "<author>" + p + "<author>" }},
		"after an unclosed reference": {"$(AUTHOR) $(X $(Y{{ .Payload }})", func(p string) string { return "<author> $(X $(Y" + p + ")" }},
		"in a loop":                   {"{{ range 2 }}${{ $.Payload }}{{ end }}", func(p string) string { return "$" + p + "$" + p }},
		"in a defined template":       {`{{ define "a" }}${{ . }}{{ end }}{{ template "a" .Payload }}(A)`, func(p string) string { return "$" + p + "(A)" }},
		"through a variable":          {"{{ $p := .Payload }}${{ $p }}", func(p string) string { return "$" + p }},
		"in a reference by condition": {"${{ if true }}(AUTHOR){{ end }}{{ .Payload }}", func(p string) string { return "<author>" + p }},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			for _, payload := range awkward {
				arg, errs := renderArg(t, row.template, payload)
				if len(errs) > 0 {
					t.Fatalf("payload %q: %v", payload, errs)
				}
				if got, want := kubeletExpand(arg, variables), row.want(payload); got != want {
					t.Errorf("payload %q: the process gets %q, want %q (rendered: %q)", payload, got, want, arg)
				}
			}
		})
	}
}
