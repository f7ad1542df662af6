package sandbox

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// newPool returns a pool that is running.
func newPool(t testing.TB, workers int, change ...func(*Pool)) *Pool {
	t.Helper()
	p := stoppedPool(t, workers, change...)
	p.Start()
	t.Cleanup(p.Stop)
	return p
}

func stoppedPool(t testing.TB, workers int, change ...func(*Pool)) *Pool {
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

// job renders the template of the echo for a payload and fails the test if it cannot.
func job(t testing.TB, p *Pool, payload string) string {
	t.Helper()
	template := echo()
	job, errs := p.Job(t.Context(), template, executionOf(template, payload))
	if len(errs) > 0 {
		t.Fatalf("%.100q was refused: %v", payload, errs)
	}
	return job.Annotations["payload"]
}

// reported is what the worker says of itself.
func reported(t testing.TB, p *Pool) (f facts) {
	t.Helper()
	if err := json.Unmarshal([]byte(job(t, p, doReport)), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("after a minute, %s is still not true", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// pids are the processes of a pool that are ready.
func (p *Pool) pids() []int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var pids []int
	for worker := range p.processes {
		pids = append(pids, worker.pid())
	}
	return pids
}

func (p *Pool) exits(reason string) int {
	return int(testutil.ToFloat64(p.metrics.exits.WithLabelValues(reason)))
}

// blocker is a file that makes a worker wait, as long as it is there.
func blocker(t *testing.T) (payload string, remove func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return doWait + ":" + path, func() { _ = os.Remove(path) }
}

// busy waits until a request is being worked on.
func (p *Pool) busy(t *testing.T) {
	t.Helper()
	eventually(t, "that workers are busy", func() bool {
		p.queue.mutex.Lock()
		defer p.queue.mutex.Unlock()
		all := 0
		for _, n := range p.queue.running {
			all += n
		}
		return all == 1
	})
}

// TestDeaths makes requests that end their workers, each in another way. Every one is refused for good, and the next
// request is answered.
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
			if underRace && test.reason == reasonMemory {
				t.Skip("the race detector ends the process in its own way")
			}
			template := echo()
			template.Name = strings.ReplaceAll(test.payload, " ", "-")
			_, errs := p.Job(t.Context(), template, executionOf(template, test.payload))
			if len(errs) != 1 || errs[0].Type != field.ErrorTypeInvalid || errs[0].Field != "spec.jobTemplate" ||
				render.Retryable(errs) || !strings.Contains(detail(errs), test.want) {
				t.Errorf("refused with %v", errs)
			}
			if p.exits(test.reason) == 0 {
				t.Errorf("no exit was counted for %s", test.reason)
			}
			if strings.Contains(detail(errs), "secret") {
				t.Errorf("the message has what the worker printed: %v", errs)
			}
			fine, errs := p.Job(t.Context(), template, executionOf(template, "fine"))
			if len(errs) > 0 || fine.Annotations["payload"] != "fine" {
				t.Errorf("the next request: %v", errs)
			}
		})
	}
}
