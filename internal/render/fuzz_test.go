package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// seeds returns all strings of the golden templates that are templates themselves.
func seeds(f *testing.F) []string {
	paths, _ := filepath.Glob("testdata/*/template.yaml")
	var all []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		template := &dispatcherv1alpha1.JobTemplate{}
		if err := yaml.Unmarshal(text, template); err != nil {
			f.Fatal(err)
		}
		walk(&template.Spec.JobTemplate, func(_ func() place, text string) {
			if strings.Contains(text, "{{") {
				all = append(all, text)
			}
		})
	}
	return all
}

// FuzzCompile compiles anything: it must end with a program or with errors at the path of the string, never with a
// panic.
func FuzzCompile(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, template string) {
		spec := jobWithArgs("sh", "-c", template)
		program, errs := compile(spec)
		if (program == nil) == (len(errs) == 0) {
			t.Fatalf("program %v with errors %v", program, errs)
		}
		checkErrors(t, errs)
		findWarnings(t.Context(), templateOf(spec))
		if program != nil {
			_, errs := program.render(t.Context(), testData("payload"), program.fieldErrors)
			checkErrors(t, errs)
		}
	})
}

// FuzzPayload puts any payload between any texts of an author: what the kubelet makes of the result has the payload
// in it byte for byte, and the payload never makes a reference.
func FuzzPayload(f *testing.F) {
	for _, payload := range awkward {
		f.Add("$(AUTHOR)", payload, "$(AUTHOR)")
		f.Add("$", payload, "(DB_PASSWORD)")
		f.Add("$(", payload, ")")
	}
	f.Fuzz(func(t *testing.T, before, payload, after string) {
		if strings.Contains(before+after, "{{") || strings.HasSuffix(before, "{") {
			return
		}
		arg, errs := renderArg(t, before+"{{ .Payload }}"+after, payload)
		if len(errs) > 0 {
			return // NUL, invalid UTF-8 or too long.
		}
		variables := map[string]string{"AUTHOR": "<author>"}
		want := kubeletExpand(before, variables) + payload + kubeletExpand(after, variables)
		if got := kubeletExpand(arg, variables); got != want {
			t.Errorf("the process gets %q, want %q (rendered: %q)", got, want, arg)
		}
		variables["DB_PASSWORD"], variables[payload] = "<leak>", "<leak>"
		if strings.Contains(before+after, "DB_PASSWORD") || strings.Contains(before+payload+after, "<leak>") {
			return
		}
		if payload != "AUTHOR" && !strings.Contains(before+after, "$("+payload+")") && strings.Contains(kubeletExpand(arg, variables), "<leak>") {
			t.Errorf("the payload %q reads a variable (rendered: %q)", payload, arg)
		}
	})
}

// checkErrors checks that errors are at the string's path, and short.
func checkErrors(t *testing.T, errs field.ErrorList) {
	for _, err := range errs {
		if !strings.HasPrefix(err.Field, "spec.jobTemplate") || len(err.Error()) > 5_000 {
			t.Errorf("unexpected error of %d bytes at %s: %.500s", len(err.Error()), err.Field, err.Detail)
		}
	}
}
