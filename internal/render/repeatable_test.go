package render

import "testing"

func TestUseOfTheExecution(t *testing.T) {
	for _, row := range []struct {
		reason, template string
		want             bool
	}{
		{"the payload", `{{ .Payload }}`, true},
		{"its name", `{{ .Name }}`, true},
		{"who sent it", `{{ .Caller.Username }}`, true},
		{"data that a later version adds", `{{ .Later }}`, true},
		{"all of the data", `{{ toJson . }}`, true},
		{"by $", `{{ with "x" }}{{ $.Payload }}{{ end }}`, true},
		{"by a variable", `{{ $p := .Payload }}{{ $p }}`, true},
		{"in a condition", `{{ if eq .Payload "x" }}a{{ end }}`, true},
		{"in a defined template", `{{ define "a" }}{{ .Payload }}{{ end }}{{ template "a" . }}`, true},
		{"given to a defined template", `{{ define "a" }}{{ . }}{{ end }}{{ template "a" .Payload }}`, true},
		{"the time", `{{ now | unixEpoch }}`, true},
		{"a random function", `{{ randAlphaNum 5 }}`, true},
		{"another one", `{{ uuidv4 }}`, true},
		{"one that takes the time for what it cannot read", `{{ date "2006" "x" }}`, true},
		{"a function that a later version adds", `{{ later "x" }}`, true},
		{"one in parentheses", `{{ print (upper (shuffle "abc")) }}`, true},
		{"what does not parse", `{{ .Payload`, true},

		{"a constant", `{{ "x" }}`, false},
		{"the name of the template", `{{ .JobTemplate.Name | upper }}`, false},
		{"its labels", `{{ .JobTemplate.Labels.team | default "none" }}`, false},
		{"the namespace", `{{ .Namespace }}{{ $.Namespace }}`, false},
		{"a part of the template", `{{ with .JobTemplate }}{{ .Name }}{{ end }}`, false},
		{"a field of another dot", `{{ with dict "Payload" 1 }}{{ .Payload }}{{ end }}`, false},
		{"a text outside of actions", `.Payload {{ .Namespace }}`, false},
		{"a comment", `{{/* .Payload */}}x`, false},
	} {
		if got := usedData(row.template).execution; got != row.want {
			t.Errorf("%s: %q depends on the execution: %t", row.reason, row.template, got)
		}
	}
}

// TestRepeatableFunctionsAreFunctions: a name that is no function would say nothing.
func TestRepeatableFunctionsAreFunctions(t *testing.T) {
	for name := range repeatable {
		_, errs := compile(jobWithArgs("{{ " + name + ` "" }}`))
		for _, err := range errs {
			t.Error(err)
		}
	}
}
