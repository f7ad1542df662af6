package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestTemplateThatDoesNotCompileIsNotTried(t *testing.T) {
	for _, test := range []struct{ reason, value string }{
		{"an unclosed action", "{{ .Payload"},
		{"an unknown function", "{{ nope }}"},
		{"an unknown field", "{{ .Paylod }}"},
		{"a render that fails", refusing},
	} {
		api := &stubAPI{}
		_, err := (&jobTemplateValidator{direct: api}).ValidateCreate(asked(t), jobTemplate("a", test.value))
		if !apierrors.IsInvalid(err) {
			t.Errorf("%s: got %v, want Invalid", test.reason, err)
		}
		if causes(err)[valuePath] != metav1.CauseTypeFieldValueInvalid {
			t.Errorf("%s: the causes %v do not name %s", test.reason, causes(err), valuePath)
		}
		if len(api.jobs) > 0 {
			t.Errorf("%s: a Job was tried all the same", test.reason)
		}
	}
}

func TestEscalationIsRefusedBeforeAllElse(t *testing.T) {
	api := &stubAPI{denied: true}
	warnings, err := (&jobTemplateValidator{direct: api}).ValidateCreate(asked(t), jobTemplate("a", refusing))
	if !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want Forbidden", err)
	}
	if len(api.jobs) > 0 || len(warnings) > 0 || strings.Contains(err.Error(), "no, no") {
		t.Errorf("the refused user learned something: %d dry-runs, warnings %q, error %v", len(api.jobs), warnings, err)
	}
	if len(api.reviews) != 1 || api.reviews[0].Spec.User != "jane" {
		t.Errorf("reviews %v, want one, of the request's user", api.reviews)
	}
}

func TestUpdateOfMetadataPasses(t *testing.T) {
	api := &stubAPI{denied: true}
	validator := &jobTemplateValidator{direct: api}
	old := jobTemplate("a", refusing) // as an older release may have stored it
	template := old.DeepCopy()
	template.Finalizers, template.Labels = nil, map[string]string{"team": "x"}
	if _, err := validator.ValidateUpdate(asked(t), old, template); err != nil || len(api.reviews) > 0 {
		t.Errorf("got %v after %d reviews, want neither", err, len(api.reviews))
	}
	template.Spec.TTLSecondsAfterFinished = new(int32(1))
	if _, err := validator.ValidateUpdate(asked(t), old, template); !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want Forbidden: the spec was changed", err)
	}
}

// noSuchImage refuses the image that the first synthetic payload makes.
func noSuchImage(job *batchv1.Job) error {
	image := job.Spec.Template.Spec.Containers[0].Image
	if image != "text" {
		return nil
	}
	path := field.NewPath("spec", "template", "spec", "containers").Index(0).Child("image")
	return apierrors.NewInvalid(schema.GroupKind{Group: "batch", Kind: "Job"}, job.Name, field.ErrorList{field.Invalid(path, image, "")})
}

func TestTrial(t *testing.T) {
	refused := map[string]metav1.CauseType{
		"spec.jobTemplate.spec.template.spec.containers[0].image": metav1.CauseTypeFieldValueInvalid,
	}
	for _, test := range []struct {
		reason, image string
		sample        *string
		want          map[string]metav1.CauseType // none is accepted
		jobs          int
	}{
		{"valid", "alpine", nil, nil, 1},
		{"invalid whatever the payload: nothing else is tried, no sample is asked for", "text", nil, refused, 1},
		{"invalid with a word, valid without a payload", `{{ .Payload | default "alpine" }}`, nil, nil, 2},
		{"does not render without a payload", `{{ .Payload | required "a payload" }}`, nil, refused, 1},
		{"the author's sample is the only one that counts", `{{ .Payload | default "alpine" }}`, new("text"), refused, 1},
		{"the author's sample is used", "{{ .Payload }}", new("alpine"), nil, 1},
	} {
		api := &stubAPI{jobErr: noSuchImage}
		template := jobTemplate("a", "")
		template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image = test.image
		template.Spec.SamplePayload = test.sample
		_, err := (&jobTemplateValidator{direct: api}).ValidateCreate(asked(t), template)
		if test.want == nil && err != nil {
			t.Errorf("%s: refused: %v", test.reason, err)
		}
		if diff := cmp.Diff(test.want, causes(err)); diff != "" {
			t.Errorf("%s: causes (-want +got):\n%s", test.reason, diff)
		}
		if len(api.jobs) != test.jobs || api.dryRuns != test.jobs {
			t.Errorf("%s: %d Jobs were tried, %d of them dry; want %d", test.reason, len(api.jobs), api.dryRuns, test.jobs)
		}
	}
}

// What is wrong with the payload differs from payload to payload; what is wrong otherwise does not.
func TestTrialAsksForSample(t *testing.T) {
	value := func(job *batchv1.Job) string { return job.Spec.Template.Spec.Containers[0].Env[0].Value }
	labels := field.NewPath("metadata", "labels")
	for _, test := range []struct {
		reason string
		err    func(job *batchv1.Job) *field.Error
		asks   bool
	}{
		{"another error with each payload", func(job *batchv1.Job) *field.Error { return field.Invalid(labels, value(job), "") }, true},
		{"the same error with each payload", func(*batchv1.Job) *field.Error { return field.Required(labels, "") }, false},
	} {
		api := &stubAPI{jobErr: func(job *batchv1.Job) error {
			return apierrors.NewInvalid(schema.GroupKind{}, "a", field.ErrorList{test.err(job)})
		}}
		_, err := (&jobTemplateValidator{direct: api}).ValidateCreate(asked(t), jobTemplate("a", "{{ .Payload }}"))
		found := causes(err)
		if _, labelled := found["spec.jobTemplate.metadata.labels"]; !labelled {
			t.Errorf("%s: the causes %v do not name the labels", test.reason, found)
		}
		if _, asks := found["spec.samplePayload"]; asks != test.asks {
			t.Errorf("%s: the causes are %v", test.reason, found)
		}
		if len(api.jobs) != 2 {
			t.Errorf("%s: %d Jobs were tried, want 2", test.reason, len(api.jobs))
		}
	}
}

func TestTemplateIsNotStoredUnjudged(t *testing.T) {
	api := &stubAPI{jobErr: func(*batchv1.Job) error { return errors.New("connection refused") }}
	_, err := (&jobTemplateValidator{direct: api}).ValidateCreate(asked(t), jobTemplate("a", ""))
	if !apierrors.IsServiceUnavailable(err) {
		t.Errorf("got %v, want 503", err)
	}
}

func TestWarningsReachTheUser(t *testing.T) {
	api := &stubAPI{jobErr: func(*batchv1.Job) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "a", errors.New("exceeded quota: q"))
	}}
	template := jobTemplate("a", "")
	template.Spec.JobTemplate.Name = "fixed"
	warnings, err := (&jobTemplateValidator{direct: api}).ValidateCreate(asked(t), template)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(warnings, "\n")
	for _, part := range []string{"metadata.name", "exceeded quota: q"} {
		if !strings.Contains(told, part) {
			t.Errorf("the warnings %q do not speak of %s", warnings, part)
		}
	}
}
