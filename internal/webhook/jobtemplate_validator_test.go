package webhook

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

func TestTemplateThatDoesNotCompileIsNotTried(t *testing.T) {
	for _, test := range []struct{ reason, value string }{
		{"an unclosed action", "{{ .Payload"},
		{"an unknown function", "{{ nope }}"},
		{"an unknown field", "{{ .Paylod }}"},
		{"a render that fails", refusing},
	} {
		jobs := &stubTrial{}
		_, err := newJobTemplateValidator(&stubAccess{}, jobs).ValidateCreate(requestContext(t), jobTemplate("a", test.value))
		if !apierrors.IsInvalid(err) {
			t.Errorf("%s: got %v, want Invalid", test.reason, err)
		}
		if causes(err)[valuePath] != metav1.CauseTypeFieldValueInvalid {
			t.Errorf("%s: the causes %v do not name %s", test.reason, causes(err), valuePath)
		}
		if len(jobs.jobs) > 0 {
			t.Errorf("%s: a Job was tried all the same", test.reason)
		}
	}
}

func TestEscalationIsRefusedBeforeAllElse(t *testing.T) {
	access, jobs := &stubAccess{denied: true}, &stubTrial{}
	warnings, err := newJobTemplateValidator(access, jobs).ValidateCreate(requestContext(t), jobTemplate("a", refusing))
	if !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want Forbidden", err)
	}
	if len(jobs.jobs) > 0 || len(warnings) > 0 || strings.Contains(err.Error(), "no, no") {
		t.Errorf("the refused user learned something: %d dry runs, warnings %q, error %v", len(jobs.jobs), warnings, err)
	}
	if len(access.reviews) != 1 || access.reviews[0].Spec.User != "jane" {
		t.Errorf("reviews %v, want one, of the request's user", access.reviews)
	}
}

// metadataRenderer is a renderer that knows whether strings of a template use its labels and annotations.
type metadataRenderer struct {
	render.Renderer

	uses bool
}

func (r metadataRenderer) Examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) render.Examination {
	examined := r.Renderer.Examine(ctx, template)
	examined.UsesMetadata = r.uses
	return examined
}

// What a template uses of its metadata is part of what runs: a change takes the same permission as one of the spec.
// Everything else passes, also on a template that would be refused today.
func TestUpdate(t *testing.T) {
	const lastApplied = corev1.LastAppliedConfigAnnotation
	for _, test := range []struct {
		reason     string
		uses       bool
		change     func(template *dispatcherv1alpha1.JobTemplate)
		checked    bool
		needsValid bool
	}{
		{"the spec", false, func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.TTLSecondsAfterFinished = new(int32(1))
		}, true, true},
		{"labels that are used", true, func(template *dispatcherv1alpha1.JobTemplate) {
			template.Labels = map[string]string{"team": "x"}
		}, true, true},
		{"annotations that are used", true, func(template *dispatcherv1alpha1.JobTemplate) {
			template.Annotations = map[string]string{"image": "x"}
		}, true, true},
		{"annotations that are used, removed", true, func(template *dispatcherv1alpha1.JobTemplate) {
			delete(template.Annotations, "old")
		}, true, true},
		{"labels that are not used", false, func(template *dispatcherv1alpha1.JobTemplate) {
			template.Labels = map[string]string{"team": "x"}
		}, false, false},
		{"annotations that are not used", false, func(template *dispatcherv1alpha1.JobTemplate) {
			template.Annotations = nil
		}, false, false},
		{"kubectl's own annotation, which templates do not see", true, func(template *dispatcherv1alpha1.JobTemplate) {
			template.Annotations[lastApplied] = "{}"
		}, false, false},
		{"finalizers and owners", true, func(template *dispatcherv1alpha1.JobTemplate) {
			template.Finalizers, template.OwnerReferences = nil, []metav1.OwnerReference{{Name: "x"}}
		}, false, false},
		{"nothing", true, func(*dispatcherv1alpha1.JobTemplate) {}, false, false},
	} {
		for _, value := range []string{"", refusing} {
			old := jobTemplate("a", value) // An older release may have stored one that is refused today.
			old.Finalizers = []string{"example.com/x"}
			old.Annotations = map[string]string{"old": "y"}
			template := old.DeepCopy()
			test.change(template)
			access, jobs := &stubAccess{}, &stubTrial{}
			validator := newJobTemplateValidator(access, jobs)
			validator.renderer = metadataRenderer{validator.renderer, test.uses}

			_, err := validator.ValidateUpdate(requestContext(t), old, template)
			if refused := test.needsValid && value != ""; (err != nil) != refused || refused && !apierrors.IsInvalid(err) {
				t.Errorf("%s, %q: got %v", test.reason, value, err)
			}
			if checked := len(access.reviews) > 0; checked != test.checked {
				t.Errorf("%s, %q: asked for permission: %v", test.reason, value, checked)
			}
			access.denied = true
			_, err = validator.ValidateUpdate(requestContext(t), old, template)
			if (err != nil) != test.checked || test.checked && !apierrors.IsForbidden(err) {
				t.Errorf("%s, %q, without permission: got %v", test.reason, value, err)
			}
			if old.Annotations["old"] != "y" {
				t.Errorf("%s: the old template was changed", test.reason)
			}
		}
	}
}

// noSuchImage refuses the image that the first trial payload makes.
func noSuchImage(job *batchv1.Job) (trial.Result, error) {
	image := job.Spec.Template.Spec.Containers[0].Image
	if image != "text" {
		return trial.Result{Job: job}, nil
	}
	path := field.NewPath("spec", "jobTemplate", "spec", "template", "spec", "containers").Index(0).Child("image")
	return invalidJob(field.Invalid(path, image, ""))
}

func TestTrial(t *testing.T) {
	refused := map[string]metav1.CauseType{
		"spec.jobTemplate.spec.template.spec.containers[0].image": metav1.CauseTypeFieldValueInvalid,
	}
	asked := map[string]metav1.CauseType{
		"spec.samplePayload": metav1.CauseTypeFieldValueRequired,
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
		{"renders to nothing else without a payload", `{{ .Payload | required "a payload" }}`, nil, asked, 1},
		{"invalid whatever the payload, as far as was tried", `{{ (fromJson .Payload).image | default "text" }}`, nil, asked, 1},
		{"the author's sample is the only one that counts", `{{ .Payload | default "alpine" }}`, new("text"), refused, 1},
		{"the author's sample is used", "{{ .Payload }}", new("alpine"), nil, 1},
	} {
		jobs := &stubTrial{answer: noSuchImage}
		template := jobTemplate("a", "")
		template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image = test.image
		template.Spec.SamplePayload = test.sample
		_, err := newJobTemplateValidator(&stubAccess{}, jobs).ValidateCreate(requestContext(t), template)
		if test.want == nil && err != nil {
			t.Errorf("%s: refused: %v", test.reason, err)
		}
		if diff := cmp.Diff(test.want, causes(err)); diff != "" {
			t.Errorf("%s: causes (-want +got):\n%s", test.reason, diff)
		}
		if len(jobs.jobs) != test.jobs {
			t.Errorf("%s: %d Jobs were tried, want %d", test.reason, len(jobs.jobs), test.jobs)
		}
	}
}

// A payload is asked for only where one could help.
func TestTrialAsksForSample(t *testing.T) {
	labels := field.NewPath("spec", "jobTemplate", "metadata", "labels")
	restartPolicy := field.NewPath("spec", "jobTemplate", "spec", "template", "spec", "restartPolicy")
	selector := field.NewPath("spec", "jobTemplate", "spec", "selector")
	dryRuns := 0
	for _, test := range []struct {
		reason string
		errs   func(job *batchv1.Job) field.ErrorList
		want   []string
	}{
		{"a label by the payload", func(job *batchv1.Job) field.ErrorList {
			return field.ErrorList{field.Invalid(labels, job.Labels["a"], "")}
		}, []string{"spec.samplePayload", labels.String()}},
		{"a field without the payload", func(*batchv1.Job) field.ErrorList {
			return field.ErrorList{field.NotSupported(restartPolicy, "x", []string{"Never"})}
		}, []string{restartPolicy.String()}},
		{"an error that differs from one dry run to the next, as by the UID of the Job", func(*batchv1.Job) field.ErrorList {
			dryRuns++
			return field.ErrorList{field.Invalid(selector, strconv.Itoa(dryRuns), "")}
		}, []string{selector.String()}},
		{"a field without the payload, beside one that one payload makes right", func(job *batchv1.Job) field.ErrorList {
			errs := field.ErrorList{field.NotSupported(restartPolicy, "x", []string{"Never"})}
			if job.Labels["a"] == "" {
				errs = append(errs, field.Invalid(labels, "", ""))
			}
			return errs
		}, []string{restartPolicy.String()}},
		{"errors of both kinds", func(job *batchv1.Job) field.ErrorList {
			return field.ErrorList{
				field.NotSupported(restartPolicy, "x", []string{"Never"}), field.Invalid(labels, job.Labels["a"], "")}
		}, []string{"spec.samplePayload", labels.String(), restartPolicy.String()}},
	} {
		jobs := &stubTrial{answer: func(job *batchv1.Job) (trial.Result, error) {
			return trial.Result{Errors: test.errs(job), Refusal: &apierrors.StatusError{}}, nil
		}}
		template := jobTemplate("a", "{{ .Payload }}")
		template.Spec.JobTemplate.Labels = map[string]string{"a": "{{ .Payload }}"}
		_, err := newJobTemplateValidator(&stubAccess{}, jobs).ValidateCreate(requestContext(t), template)
		got := slices.Sorted(maps.Keys(causes(err)))
		if diff := cmp.Diff(slices.Sorted(slices.Values(test.want)), got); diff != "" {
			t.Errorf("%s: causes (-want +got):\n%s", test.reason, diff)
		}
		if len(jobs.jobs) != 2 {
			t.Errorf("%s: %d Jobs were tried, want 2", test.reason, len(jobs.jobs))
		}
	}
}

// What was copied with the manifest of a Job is refused together with all else that it has too much.
func TestCopiedManifest(t *testing.T) {
	for _, test := range []struct {
		reason, object string
		finalizer      bool
		want           []string
	}{
		{"a manifest", `{"spec":{"jobTemplate":{"apiVersion":"batch/v1","kind":"Job","status":{"active":1}}}}`, true, []string{
			"spec.jobTemplate.apiVersion", "spec.jobTemplate.kind", "spec.jobTemplate.metadata.finalizers",
			"spec.jobTemplate.status"}},
		{"a manifest without anything else", `{"spec":{"jobTemplate":{"kind":"Job"}}}`, false, []string{"spec.jobTemplate.kind"}},
		{"an empty status", `{"spec":{"jobTemplate":{"status":{}}}}`, false, nil},
	} {
		template := jobTemplate("a", "")
		if test.finalizer {
			template.Spec.JobTemplate.Finalizers = []string{"example.com/x"}
		}
		request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
			Namespace: "default", Object: runtime.RawExtension{Raw: []byte(test.object)}}}
		jobs := &stubTrial{}
		ctx := admission.NewContextWithRequest(t.Context(), request)
		_, err := newJobTemplateValidator(&stubAccess{}, jobs).ValidateCreate(ctx, template)
		if diff := cmp.Diff(test.want, slices.Sorted(maps.Keys(causes(err)))); diff != "" {
			t.Errorf("%s: causes (-want +got):\n%s", test.reason, diff)
		}
		if tried := len(jobs.jobs) > 0; tried != (test.want == nil) {
			t.Errorf("%s: a Job was tried: %t", test.reason, tried)
		}
	}
}

func TestTemplateIsNotStoredUnchecked(t *testing.T) {
	jobs := &stubTrial{answer: func(*batchv1.Job) (trial.Result, error) { return trial.Result{}, errors.New("connection refused") }}
	_, err := newJobTemplateValidator(&stubAccess{}, jobs).ValidateCreate(requestContext(t), jobTemplate("a", ""))
	if !apierrors.IsServiceUnavailable(err) {
		t.Errorf("got %v, want 503", err)
	}
}

func TestWarningsReachTheUser(t *testing.T) {
	jobs := schema.GroupResource{Resource: "jobs"}
	for _, test := range []struct {
		reason  string
		refusal *apierrors.StatusError
		want    []string
	}{
		{"the Job is valid", nil, []string{"metadata.name", "odd"}},
		{"a quota is exhausted", apierrors.NewForbidden(jobs, "a", errors.New("exceeded quota: q")), []string{"metadata.name", "odd", "exceeded quota: q"}},
		{"the name of the trial is taken", apierrors.NewAlreadyExists(jobs, "a"), []string{"metadata.name", "odd"}},
	} {
		trier := &stubTrial{answer: func(*batchv1.Job) (trial.Result, error) {
			return trial.Result{Refusal: test.refusal, Warnings: []string{"odd"}}, nil
		}}
		template := jobTemplate("a", "")
		template.Spec.JobTemplate.Name = "fixed"
		warnings, err := newJobTemplateValidator(&stubAccess{}, trier).ValidateCreate(requestContext(t), template)
		if err != nil {
			t.Errorf("%s: refused: %v", test.reason, err)
		}
		if len(warnings) != len(test.want) {
			t.Errorf("%s: warnings %q, want %d", test.reason, warnings, len(test.want))
			continue
		}
		for i, part := range test.want {
			if !strings.Contains(warnings[i], part) {
				t.Errorf("%s: the warning %q does not speak of %s", test.reason, warnings[i], part)
			}
		}
	}
}
