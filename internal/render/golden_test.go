package render

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// TestGolden renders each testdata/<case>/template.yaml for its execution.yaml, or dry-runs it where there is none. The
// result is job.yaml, or errors.txt where it is refused, and warnings.txt where there are warnings.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/template.yaml")
	if err != nil || len(cases) < 25 {
		t.Fatalf("only %d cases found: %v", len(cases), err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			template := &dispatcherv1alpha1.JobTemplate{}
			read(t, path, template)
			job, errs := goldenJob(t, dir, template)
			golden(t, filepath.Join(dir, "job.yaml"), job)
			golden(t, filepath.Join(dir, "errors.txt"), listed(errs))
			golden(t, filepath.Join(dir, "warnings.txt"), strings.Join(findWarnings(t.Context(), template), "\n"))
		})
	}
}

func goldenJob(t *testing.T, dir string, template *dispatcherv1alpha1.JobTemplate) (string, field.ErrorList) {
	before := template.DeepCopy()
	program, errs := compile(&template.Spec.JobTemplate)
	if len(errs) > 0 {
		return "", errs
	}
	run := func() (any, field.ErrorList) { return program.trialJob(t.Context(), template) }
	if path := filepath.Join(dir, "execution.yaml"); exists(path) {
		execution := &dispatcherv1alpha1.JobExecution{}
		read(t, path, execution)
		run = func() (any, field.ErrorList) { return program.job(t.Context(), template, execution) }
	}
	job, errs := run()
	if len(errs) > 0 {
		return "", errs
	}
	text := marshalled(t, job)
	again, _ := run()
	if diff := cmp.Diff(text, marshalled(t, again)); diff != "" {
		t.Errorf("the second render differs from the first (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(before, template); diff != "" {
		t.Errorf("rendering changed the template (-before +after):\n%s", diff)
	}
	return text, nil
}

// listed prints one error per line.
func listed(errs field.ErrorList) string {
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// golden compares a result with a golden file, which does not exist where the result is empty.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	if *update {
		if got == "" {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			return
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func read(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
}

func marshalled(t *testing.T, object any) string {
	t.Helper()
	text, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
