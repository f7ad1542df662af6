package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

func read(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestSameAsInProcess renders all golden cases of the renderer in a worker, and compares with what this process makes
// of them.
func TestSameAsInProcess(t *testing.T) {
	p, direct := newPool(t, 1), render.NewDirect(1)
	paths, err := filepath.Glob("../render/testdata/*/template.yaml")
	if err != nil || len(paths) < 25 {
		t.Fatalf("only %d cases: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			template, execution := &dispatcherv1alpha1.JobTemplate{}, &dispatcherv1alpha1.JobExecution{}
			read(t, path, template)
			if file := filepath.Join(filepath.Dir(path), "execution.yaml"); exists(file) {
				read(t, file, execution)
			}
			if diff := cmp.Diff(direct.Examine(t.Context(), template), p.Examine(t.Context(), template)); diff != "" {
				t.Errorf("examined (-here +in a worker):\n%s", diff)
			}
			for range 2 { // The second time, the worker knows the template.
				want, got := direct.Render(t.Context(), template, execution), p.Render(t.Context(), template, execution)
				if len(want.Errors) > 0 {
					want.NeedsTrial = false // There is nothing to try.
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the Job (-here +in a worker):\n%s", diff)
				}
			}
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestTemplateChanges: a worker never renders an old state of a template, even where UID and generation come back, as
// after etcd was restored.
func TestTemplateChanges(t *testing.T) {
	p := newPool(t, 1)
	template := echo()
	for i, change := range []func(){
		func() {},
		func() { template.Spec.JobTemplate.Annotations["payload"] = "changed {{ .Payload }}" },
		func() { template.Labels = map[string]string{"team": "blue"} },
		func() { template.Spec.JobTemplate.Annotations["payload"] = "{{ .JobTemplate.Labels.team }}" },
		func() { template.Labels["team"] = "red" },
	} {
		change()
		want, _ := render.NewDirect(1).Job(t.Context(), template, executionOf(template, "x"))
		got, errs := p.Job(t.Context(), template, executionOf(template, "x"))
		if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
			t.Errorf("change %d: %v (-want +got):\n%s", i, errs, diff)
		}
	}
}

// TestPayloads sends payloads of any size and content.
func TestPayloads(t *testing.T) {
	p := newPool(t, 1)
	payloads := []string{"", "x", "\x00", "\xff", strings.Repeat("é", 70_000), strings.Repeat("x", 1<<20), "π\n$(A)"}
	for _, payload := range payloads {
		want, wantErrs := render.NewDirect(1).Job(t.Context(), echo(), executionOf(echo(), payload))
		got, gotErrs := p.Job(t.Context(), echo(), executionOf(echo(), payload))
		if diff := cmp.Diff(want, got); diff != "" || len(gotErrs) != len(wantErrs) {
			t.Errorf("%.10q: %v", payload, gotErrs)
		}
	}
	_, errs := p.Job(t.Context(), echo(), executionOf(echo(), strings.Repeat("x", maxFrame)))
	if len(errs) != 1 || render.Retryable(errs) {
		t.Errorf("more than a frame can hold: %v", errs)
	}
}

// TestConcurrency sends many requests at the same time.
func TestConcurrency(t *testing.T) {
	p := newPool(t, 3)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 50 {
				template := echo()
				template.Namespace = fmt.Sprint("namespace-", j%3)
				template.Spec.JobTemplate.Annotations["payload"] = fmt.Sprintf("%d {{ .Payload }}", j%5)
				payload := fmt.Sprint(i, "/", j)
				job, errs := p.Job(t.Context(), template, executionOf(template, payload))
				if len(errs) > 0 || job.Annotations["payload"] != fmt.Sprintf("%d %s", j%5, payload) {
					t.Errorf("%s: %v, %v", payload, job, errs)
				}
			}
		})
	}
	group.Wait()
}

func TestMetrics(t *testing.T) {
	p := newPool(t, 1)
	eventually(t, "that the worker is counted", func() bool { return testutil.ToFloat64(p.metrics.workers) == 1 })
	job(t, p, "a")
	job(t, p, "b")
	broken := echo()
	broken.Spec.JobTemplate.Annotations["payload"] = "{{ nosuch }}"
	p.Job(t.Context(), broken, executionOf(broken, "x"))
	p.Examine(t.Context(), broken)
	want := `
		# HELP dispatcher_render_cache_lookups_total Lookups of compiled templates in the render workers' caches, by result.
		# TYPE dispatcher_render_cache_lookups_total counter
		dispatcher_render_cache_lookups_total{result="hit"} 1
		dispatcher_render_cache_lookups_total{result="miss"} 2
		# HELP dispatcher_render_errors_total Templates that were refused, and Jobs that did not render, by request.
		# TYPE dispatcher_render_errors_total counter
		dispatcher_render_errors_total{request="examine"} 1
		dispatcher_render_errors_total{request="job"} 1
	`
	compared := []string{"dispatcher_render_cache_lookups_total", "dispatcher_render_errors_total"}
	if err := testutil.CollectAndCompare(p, strings.NewReader(want), compared...); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(p); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	if got, want := testutil.CollectAndCount(p, "dispatcher_render_worker_exits_total"), len(allReasons); got != want {
		t.Errorf("%d reasons have a series, want %d", got, want)
	}
}

// FuzzTemplate renders any template with any payload. It may end workers, and never this process.
func FuzzTemplate(f *testing.F) {
	for _, template := range []string{
		"{{ .Payload }}", `{{ $d := dict }}{{ $_ := set $d "l" $d }}{{ $x := dict $d 1 }}`, `{{ printf "%*d" 1000000000 1 }}`,
		"{{ range 1000000000 }}{{ end }}", "{{ repeat 1000000 .Payload }}", "{{ fromJson .Payload | toYaml }}",
	} {
		f.Add(template, `{"a": [1, "b"]}`)
	}
	p := newPool(f, 1)
	f.Fuzz(func(t *testing.T, text, payload string) {
		if !utf8.ValidString(text) || strings.HasPrefix(payload, "please ") {
			t.Skip("no API server stores that, or these tests have a meaning for it")
		}
		template := echo()
		template.Spec.JobTemplate.Annotations["payload"] = text
		job, errs := p.Job(t.Context(), template, executionOf(template, payload))
		if (job == nil) == (len(errs) == 0) {
			t.Errorf("got %v and %v", job, errs)
		}
		p.Examine(t.Context(), template)
	})
}

// TestTemplatesAreNotChanged: those that executions are rendered from are shared.
func TestTemplatesAreNotChanged(t *testing.T) {
	template := sample(t)
	template.Labels = map[string]string{"a": "b"}
	template.Spec.TTLSecondsAfterFinished = new(int32(60))
	before := template.DeepCopy()
	for _, renderer := range []render.Renderer{newPool(t, 1), render.NewDirect(1)} {
		execution := executionOf(template, "x")
		render.Inherit(execution, template)
		execution.Labels["c"], *execution.Spec.TTLSecondsAfterFinished = "d", 1
		job, errs := renderer.Job(t.Context(), template, execution)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		job.Labels["e"], job.Spec.Template.Spec.Containers[0].Image = "f", "g"
		renderer.Examine(t.Context(), template)
	}
	if diff := cmp.Diff(before, template); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
}
