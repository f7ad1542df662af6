package render

import (
	"path/filepath"
	"testing"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// benchmarked are golden cases, from one without templates to one with many function calls.
var benchmarked = []string{"no-templates", "sample", "string-kinds", "functions"}

func BenchmarkCompile(b *testing.B) {
	for _, name := range benchmarked {
		template := &dispatcherv1alpha1.JobTemplate{}
		read(b, filepath.Join("testdata", name, "template.yaml"), template)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, errs := compile(&template.Spec.JobTemplate); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
		})
	}
}

// BenchmarkRender renders each case, and copies it, which is the least that a render has to do.
func BenchmarkRender(b *testing.B) {
	for _, name := range benchmarked {
		template := &dispatcherv1alpha1.JobTemplate{}
		read(b, filepath.Join("testdata", name, "template.yaml"), template)
		program, errs := compile(&template.Spec.JobTemplate)
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		data := newData(template, trialExecution(template, "gpu"))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, errs := program.render(b.Context(), data, program.fieldErrors); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
		})
		b.Run(name+"/copy", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				program.spec.DeepCopy()
			}
		})
	}
}
