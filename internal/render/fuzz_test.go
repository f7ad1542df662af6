package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/cputime"
)

// fuzzLimits are small, so that the fuzzer tries much.
var fuzzLimits = limits{steps: 10_000, output: 64 << 10, value: 256 << 10, total: 1 << 20, depth: 20, time: time.Second}

// runaway is how much CPU time no render comes near that keeps to fuzzLimits: what the clock ends may go on for as long as
// one call of a function takes.
const runaway = 20 * time.Second

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
		walk(&template.Spec.JobTemplate, func(_ place, text string) {
			if strings.Contains(text, "{{") {
				all = append(all, text)
			}
		})
	}
	return all
}

// FuzzCompile compiles anything: it must end with a program or with errors at the path of the string, never with a panic.
func FuzzCompile(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, template string) {
		spec := jobWithArgs("sh", "-c", template)
		program, errs := Compile(spec)
		if (program == nil) == (len(errs) == 0) {
			t.Fatalf("program %v with errors %v", program, errs)
		}
		checkErrors(t, template, errs)
		Warnings(templateOf(spec))
		if program != nil {
			newMachine(program)
		}
	})
}

// FuzzRender renders anything with anything: no panic, no more than the budget, and valid text.
func FuzzRender(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, `{"a":[1,"$(B)",null]}`)
	}
	for _, row := range hostile {
		f.Add(row.template, "payload")
	}
	f.Fuzz(func(t *testing.T, template, payload string) {
		program, errs := Compile(jobWithArgs(template))
		if len(errs) > 0 || len(program.strings) == 0 {
			return
		}
		program.limits = fuzzLimits
		var rendered *batchv1.JobTemplateSpec
		took := cputime.Of(func() { rendered, errs = program.Render(t.Context(), testData(payload)) })
		if took > runaway {
			t.Errorf("took %v of CPU time", took)
		}
		checkErrors(t, template+payload, errs)
		if len(errs) > 0 {
			return
		}
		arg := rendered.Spec.Template.Spec.Containers[0].Args[0]
		if len(arg) > 2*fuzzLimits.output || strings.ToValidUTF8(arg, "") != arg {
			t.Errorf("rendered %d bytes: %.100q", len(arg), arg)
		}
	})
}

// FuzzPayload puts any payload between any texts of an author: what the kubelet makes of the result has the payload in it
// byte for byte, and the payload never makes a reference.
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

// checkErrors checks that errors are at the string's path, short, and in our own words. input is all that was rendered.
func checkErrors(t *testing.T, input string, errs field.ErrorList) {
	for _, err := range errs {
		if !strings.HasPrefix(err.Field, "spec.jobTemplate") || len(err.Detail) > 3*maxQuoted || len(err.Error()) > 20*maxQuoted {
			t.Errorf("unexpected error of %d bytes at %s: %.500s", len(err.Error()), err.Field, err.Detail)
		}
		for _, internal := range []string{"template: ", "executing ", emitFunction, rangeFunction, errPanic.Error()} {
			if strings.Contains(err.Detail, internal) && !strings.Contains(input, internal) {
				t.Errorf("internals show in %q", err.Detail)
			}
		}
	}
}
