package trial

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// What a cause says must come out as it went in: only the path is ours.
func TestTemplateErrorsKeepTheMessage(t *testing.T) {
	path := field.NewPath("spec", "x")
	kind := schema.GroupKind{Group: "batch", Kind: "Job"}
	refused := apierrors.NewInvalid(kind, "a", field.ErrorList{
		field.Required(path, "say something"),
		field.Required(path, ""),
		field.Invalid(path, "bad", "is bad"),
		field.Invalid(path, map[string]string{"a": "b"}, "is bad: very"),
		field.Invalid(path, 7, ""),
		field.NotSupported(path, "Always", []string{"Never", "OnFailure"}),
		field.Duplicate(path, "twice"),
		field.Forbidden(path, "not here"),
		field.TooLong(path, "", 63),
		field.TooMany(path, 3, 2),
		field.TypeInvalid(path, "x", "must be a number"),
		field.NotFound(path, "volume"),
	}).Status()

	got := apierrors.NewInvalid(kind, "a", templateErrors(nil, refused)).Status().Details.Causes

	want := refused.Details.Causes
	for i := range want {
		want[i].Field = "spec.jobTemplate.spec.x"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
}

func TestTemplateErrorsOfOtherOrigin(t *testing.T) {
	for _, test := range []struct {
		reason string
		status metav1.Status
		want   string
	}{
		{
			"no causes at all: the message speaks",
			metav1.Status{Message: "no latest tags"},
			"spec.jobTemplate: Invalid value: no latest tags",
		},
		{
			"details without causes: the message speaks, too",
			metav1.Status{Message: "no latest tags", Details: &metav1.StatusDetails{Name: "a"}},
			"spec.jobTemplate: Invalid value: no latest tags",
		},
		{
			"an admission policy's cause has neither type nor field",
			metav1.Status{Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Message: "no latest tags"}}}},
			"spec.jobTemplate: Invalid value: no latest tags",
		},
		{
			"a type that is not a field error's",
			metav1.Status{Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
				{Type: "Odd", Field: "spec.suspend", Message: "odd"}}}},
			"spec.jobTemplate.spec.suspend: Invalid value: odd",
		},
	} {
		if got := templateErrors(nil, test.status).ToAggregate().Error(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.reason, got, test.want)
		}
	}
}

// An answer may quote megabytes that a template has rendered, once for each field that has them.
func TestTemplateErrorsAreBounded(t *testing.T) {
	causes := make([]metav1.StatusCause, 1000)
	for i := range causes {
		causes[i] = metav1.StatusCause{
			Type:    metav1.CauseTypeFieldValueInvalid,
			Field:   "spec.x",
			Message: "Invalid value: " + strings.Repeat("é", 100_000) + ": must be something else",
		}
	}
	for _, status := range []metav1.Status{
		{Details: &metav1.StatusDetails{Causes: causes}}, {Message: causes[0].Message},
	} {
		errs := templateErrors(nil, status)
		if len(errs) == 0 || len(errs) > maxCauses {
			t.Errorf("%d errors, want 1 to %d", len(errs), maxCauses)
		}
		for _, err := range errs {
			if len(err.Detail) > maxDetail+len("...") || !utf8.ValidString(err.Detail) ||
				!strings.HasSuffix(err.Detail, ": must be something else") {
				t.Fatalf("a detail of %d bytes: %.200q", len(err.Detail), err.Detail)
			}
		}
	}
}

// TestLeftOutItemsAreCounted: the API server counts the items that the Job has, and the author those of the template.
func TestLeftOutItemsAreCounted(t *testing.T) {
	const left, path = "spec.template.spec.containers[0].args[1]", "spec.template.spec.containers[0].args"
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Annotations: map[string]string{dispatcherv1alpha1.AnnotationLeftOut: left},
	}}
	refused := metav1.Status{Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
		{Type: metav1.CauseTypeFieldValueInvalid, Field: path + "[0]"},
		{Type: metav1.CauseTypeFieldValueInvalid, Field: path + "[1]"},
	}}}
	errs := templateErrors(job, refused)
	if len(errs) != 2 || errs[0].Field != "spec.jobTemplate."+path+"[0]" || errs[1].Field != "spec.jobTemplate."+path+"[2]" {
		t.Errorf("got %v", errs)
	}
	if got, _ := templateWarning(job, path+"[1]: is odd"); got != "spec.jobTemplate."+path+"[2]: is odd" {
		t.Errorf("got the warning %s", got)
	}
}

// A bad value may be as long as a template. It is quoted in part, and what is said of it is kept.
func TestBadValuesAreShortened(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	path := field.NewPath("spec", "x")
	for reason, err := range map[string]*field.Error{
		"a text":          field.Invalid(path, long, "must be short"),
		"one with quotes": field.Invalid(path, strings.Repeat(`"\`, 10_000), "must be short"),
		"lines":           field.Invalid(path, strings.Repeat("a\n", 10_000), "must be short"),
		"an object":       field.Invalid(path, map[string]string{"a": long, "b": `"`}, "must be short"),
		"a list":          field.Invalid(path, []string{long}, "must be short"),
		"not supported":   field.NotSupported(path, long, []string{"must be short"}),
		"a duplicate":     field.Duplicate(path, long),
		"not found":       field.NotFound(path, long),
	} {
		status := apierrors.NewInvalid(schema.GroupKind{Kind: "Job"}, "a", field.ErrorList{err}).Status()
		got := templateErrors(&batchv1.Job{}, status)
		text := got[0].Error()
		if len(got) != 1 || len(text) > 500 || !utf8.ValidString(text) || !strings.Contains(text, "...") {
			t.Errorf("%s: %d errors, the first has %d bytes: %.600s", reason, len(got), len(text), text)
		}
		if said := strings.Contains(err.Error(), "must be short"); said && !strings.Contains(text, "must be short") {
			t.Errorf("%s: does not say what is wrong: %s", reason, text)
		}
	}
	for reason, message := range map[string]string{"a message": long, "one that looks like JSON": "{" + long, "one quote": `"` + long} {
		got := templateErrors(&batchv1.Job{}, metav1.Status{Message: message})[0].Error()
		if len(got) > 2*maxDetail || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes", reason, len(got))
		}
	}
}
