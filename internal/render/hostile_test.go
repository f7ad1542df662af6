package render

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/cputime"
)

// maxCPU is many times what is needed for what grows in proportion to a template. What grew by its square took minutes.
const maxCPU = 10 * time.Second

// hostileTemplates took long to render or to warn of.
func hostileTemplates() map[string]*dispatcherv1alpha1.JobTemplate {
	templates := map[string]*dispatcherv1alpha1.JobTemplate{}
	template := func(name string, args ...string) *corev1.Container {
		templates[name] = templateOf(jobWithArgs(args...))
		return &templates[name].Spec.JobTemplate.Spec.Template.Spec.Containers[0]
	}
	template("a payload of dollars", "{{ .Payload }}")
	template("a text of dollars", strings.Repeat("$", 1<<20))
	template("a text of open references", strings.Repeat("$(", 1<<19))
	template("a text of references", strings.Repeat("$(A)", 1<<18))
	template("a text of variables", strings.Repeat("$A ", 1<<18))
	template("a script of variables", "sh", "-c", strings.Repeat("$A ", 1<<18))

	many := template("many variables", strings.Repeat("$A ", 39_000))
	for i := range 40_000 {
		many.Env = append(many.Env, corev1.EnvVar{Name: fmt.Sprint("V", i), Value: "$A $B"})
	}
	script := template("a script with a long variable", "sh", "-c", strings.Repeat("$(A)", 2_000))
	script.Env = []corev1.EnvVar{{Name: "A", Value: "{{ .Payload }}" + strings.Repeat("{{ 1 }}", 6_000)}}
	scripts := template("a script with many variables of one name", "sh", "-c", strings.Repeat("$(A)", 20_000))
	for range 2_000 {
		scripts.Env = append(scripts.Env, corev1.EnvVar{Name: "A", Value: "{{ .Name }}"})
	}
	template("many words of one script", slices.Concat([]string{"cmd", "/c"}, slices.Repeat([]string{"a"}, 150_000))...)
	template("many scripts", slices.Repeat([]string{"psql", "-c", "{{ .Name }}", "sh", "-c", "{{ 1 }}"}, 3_000)...)
	template("many programs", slices.Repeat([]string{"runuser", "-a", "sh", "su", "perl", "flock"}, 20_000)...)
	template("nested loops", "sh", "-c", strings.Repeat("{{ range until 2 }}", 190)+"{{ .Name }}"+strings.Repeat("{{ end }}", 190))
	template("many variables of a template", "sh", "-c",
		strings.Repeat("{{ $a := 1 }}", 2_000)+strings.Repeat("{{ range until 2 }}{{ $.Name }}{{ end }}", 500))
	calls := ""
	for i := range 1_500 {
		calls += fmt.Sprintf(`{{ define "t%d" }}{{ template "t%d" . }}{{ template "t%d" .Name }}{{ end }}`, i, i+1, i+1)
	}
	template("many defined templates", "sh", "-c", calls+`{{ define "t1500" }}{{ end }}{{ template "t0" . }}`)
	return templates
}

func TestHostileTemplates(t *testing.T) {
	renderer := NewDirect(16)
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Spec.Payload = strings.Repeat("$", 1<<20-1)
	for name, template := range hostileTemplates() {
		t.Run(name, func(t *testing.T) {
			var warnings []string
			took := cputime.Of(func() {
				warnings = renderer.Examine(t.Context(), template).Warnings
				renderer.Job(t.Context(), template, execution)
			})
			if took > maxCPU {
				t.Errorf("took %v of CPU time", took)
			}
			if len(warnings) > maxWarnings+1 || len(strings.Join(warnings, "\n")) > 20_000 {
				t.Errorf("%d warnings: %.500s", len(warnings), warnings)
			}
		})
	}
}

func TestWarningsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	template := templateOf(jobWithArgs("$HOME"))
	if warnings := findWarnings(ctx, template); len(warnings) > 0 {
		t.Errorf("after its caller has gone: %v", warnings)
	}
	if warnings := findWarnings(t.Context(), template); len(warnings) != 1 {
		t.Errorf("got %v, want one warning", warnings)
	}
}

// TestManyWarnings has more than are listed, in several strings.
func TestManyWarnings(t *testing.T) {
	args := make([]string, 3*maxWarnings)
	for i := range args {
		args[i] = fmt.Sprint("$V", i)
	}
	warnings := findWarnings(t.Context(), templateOf(jobWithArgs(args...)))
	if len(warnings) != maxWarnings+1 || !strings.Contains(warnings[maxWarnings], "more warnings") {
		t.Errorf("%d warnings, the last is %q", len(warnings), warnings[len(warnings)-1])
	}
}

// TestHostileNumberOfTemplates has as many strings as an object can have. None is kept beyond those that may be.
func TestHostileNumberOfTemplates(t *testing.T) {
	for _, template := range []string{"{{.}}", "{{/**/}}"} {
		_, errs := compile(jobWithArgs(slices.Repeat([]string{template}, 150_000)...))
		if !strings.Contains(detail(errs), "at most 20000 parts") {
			t.Errorf("%s is refused with %.500v", template, errs)
		}
		allocated := allocatedBytes(func() { _, _ = compile(jobWithArgs(slices.Repeat([]string{template}, 150_000)...)) })
		if allocated > 128<<20 {
			t.Errorf("%s: %d MiB were allocated", template, allocated>>20)
		}
	}
}

// allocatedBytes returns how many bytes f allocated in all.
func allocatedBytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
