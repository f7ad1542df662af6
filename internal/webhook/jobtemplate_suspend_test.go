package webhook

import (
	"errors"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

func suspended(template *dispatcherv1alpha1.JobTemplate) *dispatcherv1alpha1.JobTemplate {
	template = template.DeepCopy()
	template.Spec.Suspend = true
	return template
}

// Which refusal comes first, and that none comes from a cache that is behind.
func TestExecutionsOfSuspendedTemplates(t *testing.T) {
	fine, bad := jobTemplate("a", "{{ .Payload }}"), jobTemplate("a", refusing)
	deleting := suspended(fine)
	deleting.DeletionTimestamp = &metav1.Time{Time: metav1.Now().Time}
	isSuspended := func(err error) bool {
		return apierrors.HasStatusCause(err, dispatcherv1alpha1.CauseTemplateSuspended)
	}
	accepted := func(err error) bool { return err == nil }
	for _, test := range []struct {
		reason       string
		cached, live *dispatcherv1alpha1.JobTemplate
		is           func(error) bool
	}{
		{"suspended", suspended(fine), suspended(fine), isSuspended},
		{"suspended, and the payload does not fit", suspended(bad), suspended(bad), isSuspended},
		{"resumed a moment ago", suspended(fine), changed(fine), accepted},
		{"resumed a moment ago, and the payload does not fit", suspended(fine), changed(bad), apierrors.IsInvalid},
		{"suspended a moment ago", fine, changed(suspended(fine)), accepted},
		{"suspended a moment ago, and the payload did not fit", bad, changed(suspended(bad)), isSuspended},
		{"not in the cache", nil, suspended(fine), isSuspended},
		{"being deleted", deleting, deleting, apierrors.IsInvalid},
		{"deleted a moment ago", suspended(fine), nil, apierrors.IsInvalid},
	} {
		validator := &jobExecutionValidator{
			manager:   knownAccount(),
			templates: newLookup(&stubReader{template: test.cached}, &stubReader{template: test.live}),
			renderer:  render.NewDirect(8),
		}
		if _, err := validator.ValidateCreate(requestContext(t), defaultedExecution("e", "a", "")); !test.is(err) {
			t.Errorf("%s: got %v", test.reason, err)
		}
	}
}

// A client that takes the refusal for a conflict tries again at once, and one that takes it for success goes on.
func TestClientsDoNotMistakeASuspendedTemplate(t *testing.T) {
	counted := func() float64 {
		return testutil.ToFloat64(refusals.WithLabelValues("JobExecution", "TemplateSuspended"))
	}
	before := counted()
	err := countRefusal(jobExecutionKind, templateSuspended(jobTemplate("a", ""), jobExecution("e", "a", "")))
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Code != http.StatusConflict {
		t.Errorf("got %v, want the code 409", err)
	}
	for reason, is := range map[string]func(error) bool{
		"Conflict": apierrors.IsConflict, "AlreadyExists": apierrors.IsAlreadyExists,
		"TooManyRequests": apierrors.IsTooManyRequests, "ServerTimeout": apierrors.IsServerTimeout,
	} {
		if is(err) {
			t.Errorf("clients take it for %s", reason)
		}
	}
	if _, again := apierrors.SuggestsClientDelay(err); again {
		t.Error("it asks clients to try again")
	}
	if n := counted() - before; n != 1 {
		t.Errorf("%v refusals are counted, want 1", n)
	}
}

// To suspend or to resume is nothing that runs: it needs no right to create Jobs, and no template that renders.
func TestSuspendAndResume(t *testing.T) {
	for _, template := range []*dispatcherv1alpha1.JobTemplate{jobTemplate("a", refusing), suspended(jobTemplate("a", refusing))} {
		toggled := template.DeepCopy()
		toggled.Spec.Suspend = !template.Spec.Suspend
		access := &stubAccess{denied: true}
		validator := newJobTemplateValidator(access, &stubTrial{})
		if _, err := validator.ValidateUpdate(requestContext(t), template, toggled); err != nil || len(access.reviews) > 0 {
			t.Errorf("suspend=%t: %v, %d reviews", toggled.Spec.Suspend, err, len(access.reviews))
		}
		toggled.Spec.SamplePayload = new("x")
		if _, err := validator.ValidateUpdate(requestContext(t), template, toggled); !apierrors.IsForbidden(err) {
			t.Errorf("with another change: got %v, want Forbidden", err)
		}
	}
}
