package trial

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// invalid is the API server's answer to an invalid Job.
func invalid(errs ...*field.Error) error {
	return apierrors.NewInvalid(schema.GroupKind{Group: "batch", Kind: "Job"}, "a", errs)
}

// texts are errors as they are printed.
func texts(errs field.ErrorList) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

// What is wrong is told without the value, in whatever form the API server quotes it.
func TestErrorsForCallersHideValues(t *testing.T) {
	const secret, at = "hidden-7", "spec.jobTemplate.spec.x: "
	path := field.NewPath("spec", "x")
	for reason, test := range map[string]struct {
		err  *field.Error
		want string
	}{
		"a text":               {field.Invalid(path, secret, "must be short"), "Invalid value: must be short"},
		"with quotes":          {field.Invalid(path, `a"`+secret+`": b`, "must be short"), "Invalid value: must be short"},
		"that is not ASCII":    {field.Invalid(path, secret+"é\n\x7f", "must be short"), "Invalid value: must be short"},
		"of a named type":      {field.Invalid(path, corev1.RestartPolicy(secret), "must be short"), "Invalid value: must be short"},
		"an object":            {field.Invalid(path, map[string]string{"a": secret}, "must be short"), "Invalid value: must be short"},
		"a list":               {field.Invalid(path, []string{secret}, "must be short"), "Invalid value: must be short"},
		"a number":             {field.Invalid(path, 70707, "must be short"), "Invalid value: must be short"},
		"no value":             {field.Invalid(path, field.OmitValueType{}, secret), "Invalid value"},
		"without a detail":     {field.Invalid(path, secret, ""), "Invalid value"},
		"repeated":             {field.Invalid(path, secret, "no "+secret+"-11 here"), "Invalid value: no ...-11 here"},
		"repeated in quotes":   {field.Invalid(path, "1,"+secret, `cannot read "`+secret+`" or "x"`), `Invalid value: cannot read "..." or "x"`},
		"a quote without end":  {field.Invalid(path, secret, `no "`+secret[:4]), "Invalid value: no "},
		"a short value":        {field.Invalid(path, "a", "a label must be short"), "Invalid value: a label must be short"},
		"not supported":        {field.NotSupported(path, secret, []string{"Never", "hidden"}), `Unsupported value: supported values: "Never", "hidden"`},
		"not found":            {field.NotFound(path, secret), "Not found"},
		"a duplicate":          {field.Duplicate(path, secret), "Duplicate value"},
		"too many":             {field.TooMany(path, 7, 3), "Too many: must have at most 3 items"},
		"required":             {field.Required(path, "when y is set"), "Required value: when y is set"},
		"forbidden":            {field.Forbidden(path, "not here"), "Forbidden: not here"},
		"too long, with value": {field.TooLong(path, secret, 3), "Too long: may not be more than 3 bytes"},
	} {
		got := texts(ErrorsForCallers(&batchv1.Job{}, invalid(test.err)))
		if diff := cmp.Diff([]string{at + test.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
}

// Of labels and node selectors, the API server names the map alone.
func TestErrorsForCallersAreLocated(t *testing.T) {
	metadata, template := field.NewPath("metadata"), field.NewPath("spec", "template")
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Name: "Team_A", Labels: map[string]string{"a": "x/y", "b": "fine", "c": "x/y", "d": "/"},
	}}
	job.Spec.Template.Labels = map[string]string{"p": "x/y", dispatcherv1alpha1.LabelJobExecution: "Team_A"}
	job.Spec.Template.Spec.NodeSelector = map[string]string{"zone": "x/y"}
	got := texts(ErrorsForCallers(job, invalid(
		field.Invalid(metadata.Child("labels"), "x/y", "no"), field.Invalid(metadata.Child("labels"), "x/y", "no"),
		field.Invalid(metadata.Child("labels"), "x/y", "never"), field.Invalid(metadata.Child("labels"), "/", "no"),
		field.Invalid(metadata.Child("labels"), "of a policy", "no"),
		field.Invalid(template.Child("labels"), "x/y", "no"),
		field.Invalid(template.Child("labels"), "Team_A", "no"),
		field.Invalid(template.Child("spec", "nodeSelector"), "x/y", "no"),
		field.Required(template.Child("labels"), "no"),
	)))
	want := []string{
		"spec.jobTemplate.metadata.labels[a]: Invalid value: no", "spec.jobTemplate.metadata.labels[c]: Invalid value: no",
		"spec.jobTemplate.metadata.labels[a]: Invalid value: never",
		"spec.jobTemplate.metadata.labels[d]: Invalid value: no",
		"spec.jobTemplate.metadata.labels: Invalid value: no",
		"spec.jobTemplate.spec.template.metadata.labels[p]: Invalid value: no",
		"spec.jobTemplate.metadata.name: Invalid value: no",
		"spec.jobTemplate.spec.template.spec.nodeSelector[zone]: Invalid value: no",
		"spec.jobTemplate.spec.template.metadata.labels: Required value: no",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestErrorsForCallersAreBounded(t *testing.T) {
	path, long := field.NewPath("spec", "x"), strings.Repeat("é", 2_000)
	var errs []*field.Error
	for i := range 2 * maxCauses {
		errs = append(errs, field.Invalid(path.Index(i), long, "must be short"))
	}
	got := ErrorsForCallers(&batchv1.Job{}, invalid(errs...))
	if len(got) != maxCauses || got[0].Detail != "must be short" {
		t.Errorf("%d errors, the first is %.200s", len(got), got[0].Error())
	}
	got = ErrorsForCallers(&batchv1.Job{}, invalid(field.Required(path, long)))
	if len(got) != 1 || len(got[0].Detail) > 2*maxDetail || !utf8.ValidString(got[0].Detail) {
		t.Errorf("%.200s", got[0].Error())
	}
	for _, err := range []error{errors.New("no answer"), &apierrors.StatusError{}} {
		if got := ErrorsForCallers(&batchv1.Job{}, err); len(got) > 0 {
			t.Errorf("%v: %v", err, got)
		}
	}
}
