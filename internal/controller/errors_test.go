package controller

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// However long the texts and names are that a message repeats, it fits an event and stays UTF-8.
func TestMessagesAreBounded(t *testing.T) {
	long, name := strings.Repeat("ü", 4000), strings.Repeat("n", 63)
	execution := newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Name, execution.Spec.JobTemplateName = name, name
	})
	template := newTemplate(func(template *dispatcherv1alpha1.JobTemplate) { template.Name = name })
	job := newJob(failed(""), func(job *batchv1.Job) {
		job.Name, job.Namespace = name, name
		job.Status.Conditions[0].Message = long
		job.OwnerReferences[0].Kind, job.OwnerReferences[0].Name = name, name
	})
	errs := field.ErrorList{field.Invalid(field.NewPath("spec"), "", long)}

	texts := map[string]string{"Failed": jobFailedMessage(job, finishedCondition(job))}
	for _, err := range []error{
		createRefused(execution, job, apierrors.NewBadRequest(long)),
		createRefused(execution, job, apierrors.NewForbidden(jobs, name, errors.New(long))),
		nameConflict(execution, job),
		templateNotFound(execution),
		renderFailed(template, errs),
		renderFailed(template, field.ErrorList{field.InternalError(field.NewPath("spec"), errors.New(long))}),
		jobDeleted(execution, name),
	} {
		var final *terminalError
		var waits *retryableError
		switch {
		case errors.As(err, &final):
			texts[final.reason] = final.message
		case errors.As(err, &waits):
			texts[waits.reason] = waits.message
		}
	}
	if len(texts) != 8 {
		t.Errorf("%d messages, want 8", len(texts))
	}
	for reason, text := range texts {
		if len(text) > maxNote || !utf8.ValidString(text) {
			t.Errorf(
				"the message of %s has %d bytes, want at most %d, valid UTF-8: %q", reason, len(text), maxNote, text,
			)
		}
	}
}

// Whoever reads that a template does not render learns of every field.
func TestRenderFailedNamesEveryField(t *testing.T) {
	err := renderFailed(newTemplate(), field.ErrorList{
		field.Invalid(field.NewPath("spec", "jobTemplate", "metadata", "name"), "{{ .A }}", "no"),
		field.Invalid(field.NewPath("spec", "jobTemplate", "spec", "parallelism"), "{{ .B }}", "no"),
	})
	for _, path := range []string{"spec.jobTemplate.metadata.name", "spec.jobTemplate.spec.parallelism"} {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%q does not name %s", err, path)
		}
	}
}

// A status can be read by whoever may not read the template.
func TestRenderFailedQuotesNoTemplate(t *testing.T) {
	const secret = "s3cret-of-the-template"
	for name, args := range map[string]string{
		"a call that fails":  secret + ` {{ fail .Payload }}`,
		"a value is missing": `{{ (fromJson "{}").a.b }} ` + secret,
		"an invalid number":  "1",
	} {
		template := newTemplate(func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args = []string{args}
			if args == "1" {
				template.Spec.JobTemplate.Namespace = secret
			}
		})
		c := newCluster(t, template, newExecution())
		c.step()
		summary := c.summary()
		if summary.Reason != dispatcherv1alpha1.ReasonRenderFailed || strings.Contains(summary.Message, secret) {
			t.Errorf(
				"%s: %s: %q, want RenderFailed without the text of the template", name, summary.Reason, summary.Message,
			)
		}
	}
}

// A Job that is too large is not told that it has wrong labels, which the API server set itself.
func TestTooLarge(t *testing.T) {
	labelled := apierrors.NewInvalid(batchv1.SchemeGroupVersion.WithKind("Job").GroupKind(), "run", field.ErrorList{
		field.Invalid(
			field.NewPath("spec", "template", "metadata", "labels").Key(batchv1.ControllerUidLabel), "a", "must be 'b'",
		),
	})
	for _, test := range []struct {
		reason string
		err    error
		want   bool
	}{
		{"the request is too large", apierrors.NewRequestEntityTooLargeError("limit is 3145728"), true},
		{"the object is, and the API server tried once",
			apierrors.NewInternalError(errors.New("etcdserver: request is too large")), true},
		{"the object is, for the API server's client of etcd", apierrors.NewInternalError(errors.New(
			"rpc error: code = ResourceExhausted desc = trying to send message larger than max (2097253 vs. 2097152)")), true},
		{"the object is, and the API server tried twice", labelled, true},
		{"it is invalid for another reason", errBadJob, false},
		{"it is forbidden", errQuota, false},
		{"no API server has answered", errors.New("connection refused"), false},
	} {
		if got := strings.Contains(createRefused(newExecution(), newJob(), test.err).Error(), "larger than the API server can store"); got != test.want {
			t.Errorf("%s: the message says so: %v, want %v", test.reason, got, test.want)
		}
	}
}

// Who reads an execution, or an event of it, is told the fields of the template and no value, which may be of the
// payload.
func TestInvalidJobsAreToldByFieldsOfTheTemplate(t *testing.T) {
	refused := apierrors.NewInvalid(batchv1.SchemeGroupVersion.WithKind("Job").GroupKind(), "run", field.ErrorList{
		field.Invalid(field.NewPath("metadata", "labels"), "secret", "must be short"),
		field.Required(field.NewPath("spec", "template", "labels"), "when it rains"),
	})
	job := newJob(func(job *batchv1.Job) { job.Labels = map[string]string{"a": "secret"} })
	got := createRefused(newExecution(), job, refused).Error()
	for _, want := range []string{
		"spec.jobTemplate.metadata.labels[a]: Invalid value: must be short",
		"spec.jobTemplate.spec.template.metadata.labels: Required value: when it rains",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not contain %q", got, want)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("%q quotes the value", got)
	}
}

// A template is not blamed for a slow machine.
func TestRenderFailed(t *testing.T) {
	wrong := field.Invalid(field.NewPath("spec"), "", "no")
	slow := field.InternalError(field.NewPath("spec"), errors.New("rendering took longer than 2s"))
	for _, test := range []struct {
		reason string
		errs   field.ErrorList
		final  bool
	}{
		{"a template that is wrong stays wrong", field.ErrorList{wrong}, true},
		{"a render that took too long may be faster", field.ErrorList{slow}, false},
	} {
		var final *terminalError
		if got := errors.As(renderFailed(newTemplate(), test.errs), &final); got != test.final {
			t.Errorf("%s: final = %v, want %v", test.reason, got, test.final)
		}
	}
}
