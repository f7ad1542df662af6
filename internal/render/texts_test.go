package render

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// TestTexts takes the Jobs of all golden cases apart and puts them together again.
func TestTexts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	renderer, compared := NewDirect(1), 0
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			template, execution := &dispatcherv1alpha1.JobTemplate{}, &dispatcherv1alpha1.JobExecution{}
			read(t, path, template)
			compare := func(job *batchv1.Job, assemble func(texts []Rendered) (*batchv1.Job, error)) {
				again, err := assemble(Texts(template, job))
				if diff := cmp.Diff(job, again); diff != "" || err != nil {
					t.Errorf("%v (-rendered +assembled):\n%s", err, diff)
				}
				compared++
			}
			for _, job := range renderer.Examine(t.Context(), template).Jobs {
				compare(job, func(texts []Rendered) (*batchv1.Job, error) {
					job, errs, err := AssembleTrial(template, texts)
					if len(errs) > 0 {
						t.Error(errs)
					}
					return job, err
				})
			}
			if path := filepath.Join(filepath.Dir(path), "execution.yaml"); exists(path) {
				read(t, path, execution)
			}
			template.UID = ""
			if job, errs := renderer.Job(t.Context(), template, execution); len(errs) == 0 {
				compare(job, func(texts []Rendered) (*batchv1.Job, error) {
					job, errs, err := Assemble(template, execution, texts)
					if len(errs) > 0 {
						t.Error(errs)
					}
					return job, err
				})
			}
		})
	}
	if compared < 25 {
		t.Errorf("only %d Jobs were compared", compared)
	}
}

func TestTextsOfAnotherTemplate(t *testing.T) {
	template := templateOf(jobWithArgs("{{ .Payload }}", "{{ .Name }}"))
	for _, texts := range [][]Rendered{nil, make([]Rendered, 1), make([]Rendered, 3)} {
		if _, _, err := Assemble(template, &dispatcherv1alpha1.JobExecution{}, texts); err == nil {
			t.Errorf("%d texts were taken for two templates", len(texts))
		}
	}
}

// TestTextsCannotLeaveTheNamespace: what another process says of the namespace is judged here.
func TestTextsCannotLeaveTheNamespace(t *testing.T) {
	template := templateOf(jobWithArgs("x"))
	template.Spec.JobTemplate.Namespace = "{{ .Namespace }}"
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Namespace = template.Namespace
	if _, errs, err := Assemble(template, execution, []Rendered{{Text: "kube-system"}}); len(errs) != 1 || err != nil {
		t.Errorf("got %v, %v", errs, err)
	}
}
