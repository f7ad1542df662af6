package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// TestNothingIsShared changes all that a rendered Job holds and renders again.
func TestNothingIsShared(t *testing.T) {
	template := templateOf(jobWithAnnotation("{{ .Payload }}"))
	template.Labels = map[string]string{"team": "blue"}
	template.Spec.JobTemplate.Spec.Template.Labels = map[string]string{"app": "x"}
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Name, execution.Namespace, execution.Labels = "run-1", "jobs", map[string]string{"mine": "yes"}
	program, errs := compile(&template.Spec.JobTemplate)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	before := template.DeepCopy()
	first, errs := program.job(t.Context(), template, execution)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := first.DeepCopy()
	if _, ok := first.Labels["mine"]; ok {
		t.Error("the execution's labels reach the Job")
	}
	for _, m := range []map[string]string{first.Labels, first.Annotations, first.Spec.Template.Labels} {
		clear(m)
	}
	first.Spec.Template.Spec.Containers[0].Image = "changed"
	second, _ := program.job(t.Context(), template, execution)
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("the second Job differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, template); diff != "" {
		t.Errorf("the template was changed (-want +got):\n%s", diff)
	}

	t.Run("nor with the spec that was compiled", func(t *testing.T) {
		template.Spec.JobTemplate.Annotations["a"] = "changed"
		template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image = "changed"
		third, _ := program.job(t.Context(), before, execution)
		if diff := cmp.Diff(want, third); diff != "" {
			t.Errorf("the third Job differs (-want +got):\n%s", diff)
		}
	})
}

// The trial of a template that is to be created with generateName has a name for it.
func TestTrialOfATemplateWithoutName(t *testing.T) {
	generated := templateOf(jobWithArgs("{{ .JobTemplate.Name }}"))
	generated.Name, generated.GenerateName = "", "nightly-"
	program, errs := compile(&generated.Spec.JobTemplate)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	job, errs := program.trialJob(t.Context(), generated)
	if len(errs) > 0 || job.Spec.Template.Spec.Containers[0].Args[0] != "nightly-00000" {
		t.Errorf("got %v, %v", job, errs)
	}
	if generated.Name != "" {
		t.Error("the template was changed")
	}
}

// A Job is created with a TTL of a week at least, if with any, and says which one its template sets.
func TestJobTTL(t *testing.T) {
	const week = dispatcherv1alpha1.MinJobTTLSeconds
	for _, test := range []struct {
		reason    string
		ttl, want *int32
		annotated string
	}{
		{"the template sets none", nil, nil, ""},
		{"a short one", new(int32(60)), new(int32(week)), "60"},
		{"none at all", new(int32(0)), new(int32(week)), "0"},
		{"almost a week", new(int32(week - 1)), new(int32(week)), "604799"},
		{"a week", new(int32(week)), new(int32(week)), ""},
		{"a long one", new(int32(week + 1)), new(int32(week + 1)), ""},
		{"one that the API server refuses", new(int32(-1)), new(int32(-1)), ""},
	} {
		spec := jobWithArgs("x")
		spec.Spec.TTLSecondsAfterFinished = test.ttl
		spec.Annotations = map[string]string{dispatcherv1alpha1.AnnotationJobTTL: "5"}
		template := templateOf(spec)
		before := template.DeepCopy()
		job, errs := NewDirect(1).Job(t.Context(), template, &dispatcherv1alpha1.JobExecution{})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if diff := cmp.Diff(test.want, job.Spec.TTLSecondsAfterFinished); diff != "" {
			t.Errorf("%s: TTL (-want +got):\n%s", test.reason, diff)
		}
		if got := job.Annotations[dispatcherv1alpha1.AnnotationJobTTL]; got != test.annotated {
			t.Errorf("%s: annotation = %q, want %q", test.reason, got, test.annotated)
		}
		if len(job.Finalizers) > 0 {
			t.Errorf("%s: finalizers = %q, want none: nothing may keep a namespace from being deleted", test.reason, job.Finalizers)
		}
		if diff := cmp.Diff(before, template); diff != "" {
			t.Errorf("%s: the template was changed (-want +got):\n%s", test.reason, diff)
		}
	}
}

// A Job notes the start deadline of the template that it was rendered from, and no other.
func TestStartDeadlineOfAJob(t *testing.T) {
	for seconds, want := range map[int32]string{0: "", 30: "30"} {
		spec := jobWithArgs("x")
		spec.Annotations = map[string]string{dispatcherv1alpha1.AnnotationStartDeadline: "5"}
		template := templateOf(spec)
		if seconds > 0 {
			template.Spec.StartDeadlineSeconds = &seconds
		}
		job, errs := NewDirect(1).Job(t.Context(), template, &dispatcherv1alpha1.JobExecution{})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got := job.Annotations[dispatcherv1alpha1.AnnotationStartDeadline]; got != want {
			t.Errorf("deadline %d: annotation = %q, want %q", seconds, got, want)
		}
	}
}

// The name of a Job is kept in the status of its execution, which every replica caches, before the API server judges it.
func TestTheNameOfAJobIsBounded(t *testing.T) {
	const longest = 253
	for _, length := range []int{longest, longest + 1, 900_000} {
		spec := jobWithArgs("x")
		spec.Name = "{{ .Payload }}"
		template, execution := templateOf(spec), &dispatcherv1alpha1.JobExecution{}
		execution.Spec.Payload = strings.Repeat("a", length)
		_, errs := NewDirect(1).Job(t.Context(), template, execution)
		_, assembled, err := Assemble(template, execution, []Rendered{{Text: execution.Spec.Payload}})
		if err != nil {
			t.Fatal(err)
		}
		for _, errs := range []field.ErrorList{errs, assembled} {
			if length <= longest && len(errs) > 0 {
				t.Errorf("%d bytes: %v", length, errs)
			}
			if length > longest && (len(errs) != 1 || errs[0].Type != field.ErrorTypeTooLong ||
				errs[0].Field != "spec.jobTemplate.metadata.name" || len(errs[0].Error()) > 1000) {
				t.Errorf("%d bytes: errors = %.1000v", length, errs)
			}
		}
	}
}
