package webhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

const labelPath = "spec.jobTemplate.metadata.labels[branch]"

// labelled returns a template whose Job has a label.
func labelled(value string) *dispatcherv1alpha1.JobTemplate {
	template := jobTemplate("a", "")
	template.Spec.JobTemplate.Labels = map[string]string{"branch": value}
	return template
}

// newExecutionValidator returns a validator that knows one template.
func newExecutionValidator(template *dispatcherv1alpha1.JobTemplate, jobs *stubTrial) *jobExecutionValidator {
	reader := &stubReader{template: template}
	return &jobExecutionValidator{
		manager: knownAccount(), templates: newLookup(reader, reader), renderer: render.NewDirect(8), trial: jobs,
	}
}

// refusedJob is the answer to a Job that the API server refuses.
func refusedJob(refused *apierrors.StatusError, errs ...*field.Error) func(*batchv1.Job) (trial.Result, error) {
	return func(*batchv1.Job) (trial.Result, error) { return trial.Result{Refusal: refused, Errors: errs}, nil }
}

// invalid is the answer to a Job that the API server calls invalid.
func invalid(errs ...*field.Error) func(*batchv1.Job) (trial.Result, error) {
	return refusedJob(apierrors.NewInvalid(schema.GroupKind{Group: "batch", Kind: "Job"}, "e", errs), errs...)
}

func TestTryJobOfAnExecution(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	path := field.NewPath("metadata", "labels")
	const must = "a valid label must be an empty string or consist of ..."
	denied := func(message string) *apierrors.StatusError {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: message,
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: "spec.x", Message: "secret policy"}}},
		}}
	}
	for _, test := range []struct {
		reason string
		answer func(*batchv1.Job) (trial.Result, error)
		want   map[string]metav1.CauseType // none is accepted
	}{
		{"a valid Job", nil, nil},
		{"an invalid one", invalid(field.Invalid(path, "refs/heads/main", must)),
			map[string]metav1.CauseType{labelPath: metav1.CauseTypeFieldValueInvalid}},
		{"for two fields", invalid(
			field.Required(field.NewPath("spec", "template", "spec", "containers").Index(0).Child("image"), ""),
			field.Invalid(path, "refs/heads/main", must),
		), map[string]metav1.CauseType{
			labelPath: metav1.CauseTypeFieldValueInvalid,
			"spec.jobTemplate.spec.template.spec.containers[0].image": metav1.CauseTypeFieldValueRequired,
		}},
		{"for the name, which is that of the execution", invalid(field.Invalid(field.NewPath("metadata", "name"), "E", "no")),
			map[string]metav1.CauseType{"metadata.name": metav1.CauseTypeFieldValueInvalid}},
		{"for a field that a policy has added",
			invalid(field.Invalid(field.NewPath("metadata", "annotations").Key("policy"), "secret policy", "secret policy")),
			map[string]metav1.CauseType{"spec.jobTemplate": metav1.CauseTypeFieldValueInvalid}},
		{"too large", refusedJob(apierrors.NewRequestEntityTooLargeError("limit is 3145728")),
			map[string]metav1.CauseType{"spec.jobTemplate": metav1.CauseTypeFieldValueInvalid}},

		{"a quota may be raised", refusedJob(apierrors.NewForbidden(jobs, "e", errors.New("exceeded quota: secret"))), nil},
		{"a name is taken, perhaps by the Job of this very execution", refusedJob(apierrors.NewAlreadyExists(jobs, "e")), nil},
		{"a policy may change", refusedJob(
			denied("jobs.batch \"e\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
			field.Invalid(path, "refs/heads/main", "no"),
		), nil},
		{"so may a webhook", refusedJob(denied(`admission webhook "w" denied the request: no`), field.Required(path, "")), nil},
		{"a webhook that cannot take dry runs",
			refusedJob(apierrors.NewBadRequest(`admission webhook "w" does not support dry run`)), nil},
	} {
		stub := &stubTrial{answer: test.answer}
		_, err := newExecutionValidator(labelled("{{ .Payload }}"), stub).
			ValidateCreate(requestContext(t), defaultedExecution("e", "a", "refs/heads/main"))
		if refused := test.want != nil; refused != apierrors.IsInvalid(err) || !refused && err != nil {
			t.Errorf("%s: got %v", test.reason, err)
		}
		if diff := cmp.Diff(test.want, causes(err)); diff != "" {
			t.Errorf("%s: causes (-want +got):\n%s", test.reason, diff)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "refs/heads")) {
			t.Errorf("%s: says too much: %v", test.reason, err)
		}
		if len(stub.jobs) != 1 || stub.jobs[0].Name != "e" || len(stub.jobs[0].OwnerReferences) > 0 {
			t.Errorf("%s: tried %v", test.reason, stub.jobs)
		}
	}
}

// A label that says what is wrong says it without what the template has beside the payload.
func TestRefusalsOfInvalidJobsShowNothingOfTheTemplate(t *testing.T) {
	stub := &stubTrial{answer: func(job *batchv1.Job) (trial.Result, error) {
		value := job.Labels["branch"]
		return invalid(field.Invalid(field.NewPath("metadata", "labels"), value, "must not be like "+value))(job)
	}}
	_, err := newExecutionValidator(labelled("hidden-{{ .Payload }}"), stub).
		ValidateCreate(requestContext(t), defaultedExecution("e", "a", "/x"))
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{labelPath, `JobTemplate "a"`, "must not be like"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %s", err, part)
		}
	}
}

// Whatever an execution of these templates carries, the API server accepts its Job, so it is not asked.
func TestNoDryRunWithoutNeed(t *testing.T) {
	for reason, change := range map[string]func(job *batchv1.JobTemplateSpec, container *corev1.Container){
		"a variable":     func(*batchv1.JobTemplateSpec, *corev1.Container) {},
		"an argument":    func(_ *batchv1.JobTemplateSpec, c *corev1.Container) { c.Args = []string{"{{ .Payload }}"} },
		"an annotation":  func(j *batchv1.JobTemplateSpec, _ *corev1.Container) { j.Annotations = payloadAt("a") },
		"one of the pod": func(j *batchv1.JobTemplateSpec, _ *corev1.Container) { j.Spec.Template.Annotations = payloadAt("a") },
		"a constant label": func(j *batchv1.JobTemplateSpec, _ *corev1.Container) {
			j.Labels = map[string]string{"t": "{{ .JobTemplate.Name | lower }}"}
		},
	} {
		template := jobTemplate("a", "{{ .Payload }}")
		change(&template.Spec.JobTemplate, &template.Spec.JobTemplate.Spec.Template.Spec.Containers[0])
		stub := &stubTrial{}
		_, err := newExecutionValidator(template, stub).
			ValidateCreate(requestContext(t), defaultedExecution("e", "a", "refs/heads/main"))
		if err != nil || len(stub.jobs) > 0 {
			t.Errorf("%s: %v, tried %d Jobs", reason, err, len(stub.jobs))
		}
	}
}

func payloadAt(key string) map[string]string { return map[string]string{key: "{{ .Payload }}"} }

// A Job that no API server can store is refused without asking one.
func TestTooLargeJobsAreRefused(t *testing.T) {
	for copies, refused := range map[int]bool{13: true, 11: false} {
		template := jobTemplate("a", "")
		container := &template.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
		for range copies {
			container.Args = append(container.Args, "{{ .Payload }}")
		}
		stub := &stubTrial{}
		_, err := newExecutionValidator(template, stub).
			ValidateCreate(requestContext(t), defaultedExecution("e", "a", strings.Repeat("x", 128_000)))
		if apierrors.IsInvalid(err) != refused || !refused && err != nil || len(stub.jobs) > 0 {
			t.Errorf("%d times 128 kB: %v", copies, err)
		}
		if _, at := causes(err)["spec.jobTemplate"]; at != refused {
			t.Errorf("%d times 128 kB: causes %v", copies, causes(err))
		}
	}
}

// Nothing is admitted without being checked, and what the API server says in its trouble is not the caller's.
func TestExecutionsThatCannotBeTried(t *testing.T) {
	for _, test := range []struct {
		err  error
		want func(error) bool
	}{
		{apierrors.NewInternalError(errors.New(`failed calling webhook "secret"`)), apierrors.IsServiceUnavailable},
		{apierrors.NewTooManyRequests("secret", 1), apierrors.IsServiceUnavailable},
		{errors.New("dial tcp: secret"), apierrors.IsServiceUnavailable},
		{apierrors.NewTimeoutError("secret", 1), apierrors.IsTimeout},
		{context.DeadlineExceeded, apierrors.IsTimeout},
	} {
		reader := &stubReader{template: labelled("{{ .Payload }}")}
		validator := newExecutionValidator(nil, &stubTrial{answer: func(*batchv1.Job) (trial.Result, error) {
			return trial.Result{}, test.err
		}})
		live := &stubReader{template: changed(labelled("x"))}
		validator.templates = newLookup(reader, live)
		_, err := validator.ValidateCreate(requestContext(t), defaultedExecution("e", "a", ""))
		if !test.want(err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: got %v", test.err, err)
		}
		if live.gets > 0 {
			t.Errorf("%v: another template is tried although nothing is known of this one", test.err)
		}
	}
}

// The template in the cache is no reason to refuse.
func TestTryJobOfTheCurrentTemplate(t *testing.T) {
	stub := &stubTrial{answer: func(job *batchv1.Job) (trial.Result, error) {
		return invalid(field.Invalid(field.NewPath("metadata", "labels"), job.Labels["branch"], "no"))(job)
	}}
	validator := newExecutionValidator(nil, stub)
	validator.templates = newLookup(
		&stubReader{template: labelled("{{ .Payload }}")}, &stubReader{template: changed(labelled("fine"))})
	if _, err := validator.ValidateCreate(requestContext(t), defaultedExecution("e", "a", "/")); err != nil {
		t.Error(err)
	}
}
