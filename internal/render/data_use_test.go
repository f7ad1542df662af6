package render

import "testing"

func TestUsesMetadata(t *testing.T) {
	rows := []struct {
		reason, template string
		want             bool
	}{
		{"a label", `{{ .JobTemplate.Labels.team }}`, true},
		{"an annotation", `{{ index .JobTemplate.Annotations "a/b" }}`, true},
		{"by $", `{{ range list 1 }}{{ $.JobTemplate.Labels.team }}{{ end }}`, true},
		{"in a condition", `{{ if .JobTemplate.Labels.team }}x{{ end }}`, true},
		{"in what is never run", `{{ if false }}{{ .JobTemplate.Labels.team }}{{ end }}`, true},
		{"in an else", `{{ with .Payload }}{{ else }}{{ .JobTemplate.Labels.team }}{{ end }}`, true},
		{"in parentheses", `{{ (.JobTemplate).Labels.team }}`, true},
		{"in an argument", `{{ print (list (upper .JobTemplate.Labels.team)) }}`, true},
		{"by a variable", `{{ $t := .JobTemplate }}{{ $t.Labels.team }}`, true},
		{"by a variable of all", `{{ $t := . }}{{ $t.JobTemplate.Labels.team }}`, true},
		{"by a variable of $", `{{ $t := $ }}{{ $t.JobTemplate.Labels.team }}`, true},
		{"by with", `{{ with .JobTemplate }}{{ .Labels.team }}{{ end }}`, true},
		{"by range", `{{ range list . }}{{ .JobTemplate.Labels.team }}{{ end }}`, true},
		{"printed as a whole", `{{ . }}`, true},
		{"as JSON", `{{ toJson . }}`, true},
		{"by a computed name", `{{ index .JobTemplate (print "Lab" "els") }}`, true},
		{"in a defined template", `{{ define "a" }}{{ .JobTemplate.Labels.team }}{{ end }}{{ template "a" . }}`, true},
		{"in one that another one calls", `{{ define "a" }}{{ $.JobTemplate.Labels.x }}{{ end }}{{ define "b" }}{{ template "a" $ }}{{ end }}{{ template "b" . }}`, true},
		{"in one that is called in two ways", `{{ define "a" }}{{ .JobTemplate.Labels.x }}{{ end }}{{ template "a" .Payload }}{{ template "a" . }}`, true},
		{"part of what a defined template gets", `{{ define "a" }}{{ .l.team }}{{ end }}{{ template "a" (dict "l" .JobTemplate.Labels) }}`, true},
		{"in one that calls itself", `{{ define "a" }}{{ template "a" . }}{{ .JobTemplate.Labels.x }}{{ end }}{{ template "a" . }}`, true},
		{"what does not parse", `{{ .Payload`, true},

		{"nothing", `{{ "x" }}`, false},
		{"the payload", `{{ .Payload }}`, false},
		{"the template's name", `{{ .JobTemplate.Name }}{{ $.JobTemplate.Name }}`, false},
		{"fields of the payload with such names", `{{ (fromJson .Payload).JobTemplate.Labels }}`, false},
		{"another dot", `{{ range list 1 2 }}{{ . }}{{ end }}{{ with .Payload }}{{ . }}{{ end }}`, false},
		{"fields of another dot", `{{ with fromJson .Payload }}{{ .JobTemplate.Labels.x }}{{ end }}`, false},
		{"a variable of something else", `{{ $x := fromJson .Payload }}{{ $x.JobTemplate.Labels }}`, false},
		{"a defined template that gets all, and uses the payload", `{{ define "a" }}{{ .Payload }}{{ end }}{{ template "a" . }}`, false},
		{"a defined template that gets something else", `{{ define "a" }}{{ . }}{{ end }}{{ template "a" .Payload }}`, false},
		{"a defined template that gets nothing", `{{ define "a" }}x{{ end }}{{ template "a" }}`, false},
		{"a text outside of actions", `.JobTemplate.Labels {{ .Name }}`, false},
		{"a comment", `{{/* .JobTemplate.Labels */}}{{ .Name }}`, false},
	}
	for _, row := range rows {
		if got := usedData(row.template).metadata; got != row.want {
			t.Errorf("%s: %q uses metadata: %t", row.reason, row.template, got)
		}
	}
}

func TestUsesPayload(t *testing.T) {
	rows := []struct {
		reason, template string
		want             bool
	}{
		{"as it is", `{{ .Payload }}`, true},
		{"a field", `{{ (fromJson .Payload).x }}`, true},
		{"by $", `{{ range list 1 }}{{ $.Payload }}{{ end }}`, true},
		{"in a condition", `{{ if .Payload }}x{{ end }}`, true},
		{"as a choice", `{{ ternary "a" "b" (eq .Payload "x") }}`, true},
		{"by a variable of all", `{{ $t := . }}{{ $t.Payload }}`, true},
		{"as JSON", `{{ toJson . }}`, true},
		{"in a defined template", `{{ define "a" }}{{ .Payload }}{{ end }}{{ template "a" . }}`, true},
		{"what does not parse", `{{ .Name`, true},

		{"nothing", `{{ "Payload" }}`, false},
		{"other data", `{{ .Name }}{{ .JobTemplate.Labels.Payload }}`, false},
		{"the whole of another part", `{{ toJson .JobTemplate }}`, false},
		{"fields of another dot", `{{ with .JobTemplate.Labels }}{{ .Payload }}{{ end }}`, false},
		{"a defined template that gets something else", `{{ define "a" }}{{ .Payload }}{{ end }}{{ template "a" .JobTemplate.Labels }}`, false},
		{"a comment", `{{/* .Payload */}}{{ .Name }}`, false},
		{"a text outside of actions", `.Payload {{ .Name }}`, false},
	}
	for _, row := range rows {
		if got := usedData(row.template).payload; got != row.want {
			t.Errorf("%s: %q uses the payload: %t", row.reason, row.template, got)
		}
	}
}
