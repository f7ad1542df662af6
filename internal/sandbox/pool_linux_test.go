package sandbox

import (
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// newPool returns a pool that is running.
func newPool(t testing.TB, workers int, change ...func(*Pool)) *Pool {
	t.Helper()
	log := logr.Discard()
	if test, ok := t.(*testing.T); ok {
		log = testr.NewWithOptions(test, testr.Options{Verbosity: 1})
	}
	p, err := NewPool(Options{Workers: workers, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range change {
		change(p)
	}
	p.Start()
	t.Cleanup(p.Stop)
	return p
}

func sample(t testing.TB) *dispatcherv1alpha1.JobTemplate {
	t.Helper()
	text, err := os.ReadFile("../render/testdata/sample/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template := &dispatcherv1alpha1.JobTemplate{}
	if err := yaml.UnmarshalStrict(text, template); err != nil {
		t.Fatal(err)
	}
	return template
}

// echo is a template that makes the payload an annotation.
func echo() *dispatcherv1alpha1.JobTemplate {
	template := &dispatcherv1alpha1.JobTemplate{}
	template.Name, template.Namespace, template.UID, template.Generation = "echo", "jobs", "uid", 1
	template.Spec.JobTemplate.Annotations = map[string]string{"payload": "{{ .Payload }}"}
	return template
}

func executionOf(template *dispatcherv1alpha1.JobTemplate, payload string) *dispatcherv1alpha1.JobExecution {
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Name, execution.Namespace, execution.UID = template.Name+"-1", template.Namespace, "execution"
	execution.Spec.JobTemplateName, execution.Spec.Payload = template.Name, payload
	return execution
}

func detail(errs field.ErrorList) string {
	var details []string
	for _, err := range errs {
		details = append(details, err.Error())
	}
	return strings.Join(details, "; ")
}

// TestDeaths makes requests that end their workers, each in another way. Every one is refused for good, and the next request is
// answered.
func TestDeaths(t *testing.T) {
	p := newPool(t, 1)
	for _, test := range []struct{ payload, reason, want string }{
		{doOverflow, reasonStack, "stack overflow"},
		{doAllocate, reasonMemory, "MiB of memory"},
		{doBigSlice, reasonMemory, "MiB of memory"},
		{doSpin, reasonCPU, "CPU time"},
		{doPanic, reasonCrash, "ended the render worker"},
		{doExit, reasonCrash, "ended the render worker"},
	} {
		t.Run(test.payload, func(t *testing.T) {
			template := echo()
			template.Name = strings.ReplaceAll(test.payload, " ", "-")
			_, errs := p.Job(t.Context(), template, executionOf(template, test.payload))
			if len(errs) != 1 || errs[0].Type != field.ErrorTypeInvalid || errs[0].Field != "spec.jobTemplate" ||
				render.Retryable(errs) || !strings.Contains(detail(errs), test.want) {
				t.Errorf("refused with %v", errs)
			}
			if strings.Contains(detail(errs), "secret") {
				t.Errorf("the message has what the worker printed: %v", errs)
			}
			if job, errs := p.Job(t.Context(), template, executionOf(template, "fine")); len(errs) > 0 || job.Annotations["payload"] != "fine" {
				t.Errorf("the next request: %v", errs)
			}
		})
	}
}
