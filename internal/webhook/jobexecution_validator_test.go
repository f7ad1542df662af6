package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

const (
	namesPath = "spec.jobTemplateName"
	refusing  = `{{ fail "no, no" }}`
)

func TestValidateExecution(t *testing.T) {
	fine, bad := jobTemplate("a", "{{ .Payload }}"), jobTemplate("a", refusing)
	deleting := jobTemplate("a", "")
	deleting.DeletionTimestamp = &metav1.Time{Time: metav1.Now().Time}

	for _, test := range []struct {
		reason       string
		cached, live *dispatcherv1alpha1.JobTemplate
		want         map[string]metav1.CauseType // none is accepted
	}{
		{"renders", fine, fine, nil},
		{"no template", nil, nil, map[string]metav1.CauseType{namesPath: metav1.CauseTypeFieldValueNotFound}},
		{"does not render", bad, bad, map[string]metav1.CauseType{valuePath: metav1.CauseTypeFieldValueInvalid}},
		{"mended a moment ago", bad, changed(fine), nil},
		{"broken a moment ago: the controller will say so", fine, changed(bad), nil},
		{"changed, and still wrong", bad, changed(bad), map[string]metav1.CauseType{valuePath: metav1.CauseTypeFieldValueInvalid}},
		{"deleted a moment ago", bad, nil, map[string]metav1.CauseType{namesPath: metav1.CauseTypeFieldValueNotFound}},
		{"being deleted", deleting, deleting, map[string]metav1.CauseType{namesPath: metav1.CauseTypeFieldValueNotFound}},
		{"being deleted, which the cache does not know", bad, changed(deleting), map[string]metav1.CauseType{namesPath: metav1.CauseTypeFieldValueNotFound}},
	} {
		validator := &jobExecutionValidator{
			manager:   knownAccount(),
			templates: newLookup(&stubReader{template: test.cached}, &stubReader{template: test.live}),
			renderer:  render.NewDirect(8),
		}
		_, err := validator.ValidateCreate(requestContext(t), defaultedExecution("e", "a", "hello"))
		if test.want == nil && err != nil {
			t.Errorf("%s: refused: %v", test.reason, err)
		}
		if test.want != nil && !apierrors.IsInvalid(err) {
			t.Errorf("%s: got %v, want Invalid", test.reason, err)
		}
		if diff := cmp.Diff(test.want, causes(err)); diff != "" {
			t.Errorf("%s: causes (-want +got):\n%s", test.reason, diff)
		}
	}
}

// A template that was made after the execution got its defaults was not found by them.
func TestValidateExecutionWithoutDefaults(t *testing.T) {
	template := jobTemplate("a", "{{ .Payload }}")
	validator := &jobExecutionValidator{
		manager:   knownAccount(),
		templates: newLookup(&stubReader{template: template}, &stubReader{template: template}),
		renderer:  render.NewDirect(1),
	}
	_, err := validator.ValidateCreate(requestContext(t), jobExecution("e", "a", "hello"))
	want := map[string]metav1.CauseType{namesPath: metav1.CauseTypeFieldValueNotFound}
	if diff := cmp.Diff(want, causes(err)); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
}

// The user reads what to write instead, at the field that they wrote.
func TestValidateExecutionName(t *testing.T) {
	plain, indexed := jobTemplate("a", ""), jobTemplate("a", "")
	indexed.Spec.JobTemplate.Spec.CompletionMode = new(batchv1.IndexedCompletion)
	indexed.Spec.JobTemplate.Spec.Completions = new(int32(12))
	for _, test := range []struct {
		reason, name, generateName string
		cached, live               *dispatcherv1alpha1.JobTemplate
		refused                    string
	}{
		{"fits", strings.Repeat("n", 60), "", indexed, indexed, ""},
		{"too long for the index of a pod", strings.Repeat("n", 61), "", indexed, indexed, "at most 60 characters"},
		{"a host name has no dots", "a.b", "", indexed, indexed, "no dots"},
		{"was Indexed a moment ago", strings.Repeat("n", 61), "", indexed, changed(plain), ""},
		{"generated", strings.Repeat("n", 58) + "xxxxx", strings.Repeat("n", 58), indexed, indexed, "generateName"},
		{"generated, and not yet known", "", strings.Repeat("n", 58), indexed, indexed, "generateName"},
		{"another Job", strings.Repeat("n", 61) + ".b", "", plain, plain, ""},
	} {
		validator := &jobExecutionValidator{
			manager:   knownAccount(),
			templates: newLookup(&stubReader{template: test.cached}, &stubReader{template: test.live}),
			renderer:  render.NewDirect(8),
		}
		execution := defaultedExecution(test.name, "a", "")
		execution.GenerateName = test.generateName
		_, err := validator.ValidateCreate(requestContext(t), execution)
		if test.refused == "" && err != nil || test.refused != "" && !apierrors.IsInvalid(err) {
			t.Errorf("%s: got %v", test.reason, err)
			continue
		}
		if test.refused == "" {
			continue
		}
		want := map[string]metav1.CauseType{"metadata.name": metav1.CauseTypeFieldValueInvalid}
		if diff := cmp.Diff(want, causes(err)); diff != "" || !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%s: got %v", test.reason, err)
		}
	}
}

// changed returns template as a later update left it.
func changed(template *dispatcherv1alpha1.JobTemplate) *dispatcherv1alpha1.JobTemplate {
	template = template.DeepCopy()
	template.Generation++
	template.ResourceVersion += "1"
	return template
}

func TestExecutionErrorsNameTheTemplateAndHideItsText(t *testing.T) {
	template := jobTemplate("report", `password={{ fail "no, no" }}`)
	validator := &jobExecutionValidator{
		manager:   knownAccount(),
		templates: newLookup(&stubReader{template: template}, &stubReader{template: template}),
		renderer:  render.NewDirect(1),
	}
	_, err := validator.ValidateCreate(requestContext(t), defaultedExecution("e", "report", ""))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{valuePath, `JobTemplate "report"`, "no, no"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %s", err, part)
		}
	}
	if strings.Contains(err.Error(), "password") {
		t.Errorf("%q shows the template's text to someone who may not be allowed to read it", err)
	}
}

func TestValidateExecutionWithoutTheAPIServer(t *testing.T) {
	for _, away := range []error{errors.New("away"), errOfProxy} {
		testValidateExecutionWithout(t, away)
	}
}

func testValidateExecutionWithout(t *testing.T, away error) {
	t.Helper()
	validator := &jobExecutionValidator{
		manager:   knownAccount(),
		templates: newLookup(&stubReader{}, &stubReader{err: away}),
		renderer:  render.NewDirect(1),
	}
	_, err := validator.ValidateCreate(requestContext(t), defaultedExecution("e", "a", ""))
	if !apierrors.IsServiceUnavailable(err) {
		t.Errorf("got %v, want 503: nothing is known about the template", err)
	}
}

// An execution that uses generateName may have no name yet.
func TestValidateExecutionWithoutName(t *testing.T) {
	template := jobTemplate("a", `{{ if ne .Name "run-xxxxx" }}{{ fail .Name }}{{ end }}`)
	validator := &jobExecutionValidator{
		manager:   knownAccount(),
		templates: newLookup(&stubReader{template: template}, &stubReader{template: template}),
		renderer:  render.NewDirect(1),
	}
	execution := defaultedExecution("", "a", "")
	execution.Namespace, execution.GenerateName = "", "run-"
	if _, err := validator.ValidateCreate(requestContext(t), execution); err != nil {
		t.Error(err)
	}
	if execution.Name != "" {
		t.Errorf("the object under admission was given the name %q", execution.Name)
	}
}
