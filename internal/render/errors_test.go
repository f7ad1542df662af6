package render

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// fieldsOfAllKinds has templates in fields of all kinds, and X in the place of each text.
const fieldsOfAllKinds = `
metadata: {name: X, namespace: X, labels: {a: X}, annotations: {a: X}}
spec:
  template:
    metadata: {labels: {a: X}, annotations: {a: X}}
    spec:
      serviceAccountName: X
      nodeSelector: {a: X}
      restartPolicy: X
      volumes: [{name: X, configMap: {name: X}}]
      initContainers: [{name: X, image: X, args: [X]}]
      containers:
      - name: X
        image: X
        command: [X]
        args: [X]
        workingDir: X
        env: [{name: X, value: X}]
        ports: [{name: X, containerPort: 1}]
        livenessProbe: {httpGet: {path: X, port: X}}
        lifecycle: {preStop: {exec: {command: [X]}}}
        volumeMounts: [{name: X, mountPath: X, subPathExpr: X}]
`

// An error quotes one line, in part if it is long, whatever is wrong and wherever. It quotes it once.
func TestQuotesAreBounded(t *testing.T) {
	long := strings.Repeat("echo a line that nobody need read again\n", 40)
	wide := strings.Repeat("é", 3_000)
	for reason, fault := range map[string]string{
		"parse":               "{{ .Name }",
		"no end":              "{{ if .Name }}",
		"a field":             "{{ .Names }}",
		"many fields":         strings.Repeat("{{ .Names }} ", 30),
		"a function":          "{{ shout .Payload }}",
		"a value":             "{{ .JobTemplate.Labels.team }}",
		"a wide value":        "{{ .JobTemplate.Labels." + strings.Repeat("a", 5_000) + " }}",
		"the template's fail": `{{ fail (repeat 5000 "x") }}`,
		"a constant":          `{{ fail "` + strings.Repeat("x", 5_000) + `" }}`,
		"a limit":             "{{ until 2000000000 }}",
		"output":              "{{ repeat 9000000 .Name }}",
		"recursion":           `{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`,
		"UTF-8":               "{{ b64dec `/w==` }}",
		"a NUL":               "a\x00b",
		"an argument":         "{{ .Payload }}" + strings.Repeat("x", 140_000),
	} {
		for shape, text := range map[string]string{
			"in many lines":  long + fault + "\n" + long,
			"in a wide line": wide + fault + wide,
			"alone":          fault,
		} {
			template := &dispatcherv1alpha1.JobTemplate{}
			template.Name, template.Namespace = "a", "jobs"
			if err := yaml.UnmarshalStrict([]byte(fieldsOfAllKinds), &template.Spec.JobTemplate); err != nil {
				t.Fatal(err)
			}
			walk(&template.Spec.JobTemplate, func(at func() place, found string) {
				if found == "X" {
					at().set(&template.Spec.JobTemplate, text)
				}
			})
			checkQuotes(t, reason+" "+shape, NewDirect(1).Examine(t.Context(), template).Errors)

			execution := &dispatcherv1alpha1.JobExecution{}
			execution.Name, execution.Namespace, execution.Spec.Payload = "e", "jobs", "payload"
			_, errs := NewDirect(1).Job(t.Context(), template, execution)
			checkQuotes(t, reason+" "+shape+", to a caller", errs)
		}
	}
}

func checkQuotes(t *testing.T, reason string, errs field.ErrorList) {
	t.Helper()
	if len(errs) == 0 {
		t.Errorf("%s: no error", reason)
	}
	quotes := map[string]int{}
	for _, err := range errs {
		value, _ := err.BadValue.(string)
		if len(value) > 110 || strings.Contains(value, "\n") {
			t.Errorf("%s: %s quotes %d bytes: %.300q", reason, err.Field, len(value), value)
		}
		if len(err.Detail) > 700 {
			t.Errorf("%s: %s says %d bytes: %.800s", reason, err.Field, len(err.Detail), err.Detail)
		}
		if value == "" {
			continue
		}
		if key := fmt.Sprint(err.Field, value); quotes[key] > 0 {
			t.Errorf("%s: %s quotes %q again", reason, err.Field, value)
		} else {
			quotes[key]++
		}
	}
}
