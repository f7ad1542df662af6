package controller

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/trial"
)

// answers is a trial.Trier with one answer.
type answers struct {
	result trial.Result
	err    error
	jobs   int
}

func (a *answers) Try(context.Context, *batchv1.Job) (trial.Result, error) {
	a.jobs++
	return a.result, a.err
}

// refusedJob returns the result of a dry run that was refused with this code and message.
func refusedJob(code int32, message string) trial.Result {
	return trial.Result{Refusal: &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reasonOf(code), Message: message,
	}}}
}

func reasonOf(code int32) metav1.StatusReason {
	return map[int32]metav1.StatusReason{
		http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusUnprocessableEntity: metav1.StatusReasonInvalid,
		http.StatusBadRequest: metav1.StatusReasonBadRequest, http.StatusConflict: metav1.StatusReasonConflict,
		http.StatusRequestEntityTooLarge: metav1.StatusReasonRequestEntityTooLarge,
		http.StatusNotFound:              metav1.StatusReasonNotFound,
	}[code]
}

// invalidJob is what the API server says of a Job that is invalid.
func invalidJob() trial.Result {
	path := field.NewPath("spec", "jobTemplate", "spec", "parallelism")
	errs := field.ErrorList{field.Invalid(path, -1, "must be greater than or equal to 0")}
	return trial.Result{Errors: errs, Refusal: apierrors.NewInvalid(schema.GroupKind{Kind: "Job"}, "a", errs)}
}

// withErrors is a refusal that the trial took for one of the Job's fields, as it takes each with the code 422.
func withErrors(result trial.Result) trial.Result {
	result.Errors = field.ErrorList{field.Invalid(field.NewPath("spec", "jobTemplate"), field.OmitValueType{}, "no")}
	return result
}

func terminating() trial.Result {
	result := refusedJob(http.StatusForbidden, "being terminated")
	result.Refusal.ErrStatus.Details = &metav1.StatusDetails{
		Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}}
	return result
}

func contended() trial.Result {
	result := refusedJob(http.StatusConflict, "the object has been modified")
	result.Refusal.ErrStatus.Details = &metav1.StatusDetails{Kind: "resourcequotas"}
	return result
}

const (
	quotaIsFull  = `jobs.batch "a" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: count/jobs.batch=5`
	quotaIsSmall = `jobs.batch "a" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=0, limited: count/jobs.batch=0`
	byWebhook    = `admission webhook "policy.example.com" denied the request: no`
	byPolicy     = `jobs.batch "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`
)

// Every answer becomes one verdict, or none.
func TestVerdictOnTemplates(t *testing.T) {
	const (
		accepted  = dispatcherv1alpha1.ReasonAccepted
		render    = dispatcherv1alpha1.ReasonRenderFailed
		invalid   = dispatcherv1alpha1.ReasonJobInvalid
		forbidden = dispatcherv1alpha1.ReasonJobForbidden
	)
	for _, test := range []struct {
		because string
		value   string
		answers answers
		reason  string // None if nothing is written.
		stalled bool
		fails   bool
	}{
		{"the Job would be created", "", answers{}, accepted, false, false},
		{"the name of the trial is taken", "", answers{result: refusedAs(apierrors.NewAlreadyExists(schema.GroupResource{}, "a"))},
			accepted, false, false},
		{"it does not parse", "{{ .Payload", answers{}, render, true, false},
		{"it has an unknown function", "{{ nope }}", answers{}, render, true, false},
		{"it fails with every payload", `{{ fail "never" }}`, answers{}, render, true, false},
		{"the Job is invalid", "", answers{result: invalidJob()}, invalid, true, false},
		{"the Job cannot be decoded", "", answers{result: refusedJob(http.StatusBadRequest, "cannot be decoded")}, invalid, true, false},
		{"the Job is too large", "", answers{result: refusedJob(http.StatusRequestEntityTooLarge, "too large")}, invalid, true, false},
		{"a quota is full", "", answers{result: refusedJob(http.StatusForbidden, quotaIsFull)}, forbidden, false, false},
		{"a quota is too small", "", answers{result: refusedJob(http.StatusForbidden, quotaIsSmall)}, forbidden, true, false},
		{"Pod Security, a LimitRange or RBAC", "", answers{result: refusedJob(http.StatusForbidden, "forbidden")}, forbidden, true, false},
		{"a webhook refuses", "", answers{result: refusedJob(http.StatusForbidden, byWebhook)}, forbidden, true, false},
		{"a webhook refuses without a code", "", answers{result: refusedJob(http.StatusBadRequest, byWebhook)}, forbidden, true, false},
		{"a webhook calls it invalid", "", answers{result: withErrors(refusedJob(http.StatusUnprocessableEntity, byWebhook))},
			forbidden, true, false},
		{"a policy calls it invalid", "", answers{result: withErrors(refusedJob(http.StatusUnprocessableEntity, byPolicy))},
			forbidden, true, false},
		{"a webhook says what a full quota says", "", answers{result: refusedJob(http.StatusForbidden, byWebhook+": "+quotaIsFull)},
			forbidden, true, false},
		{"the namespace is being deleted", "", answers{result: terminating()}, "", false, false},
		{"another write to a quota came first", "", answers{result: contended()}, "", false, true},
		{"there is no answer", "", answers{err: errors.New("connection refused")}, "", false, true},
		{"the API server is overloaded", "", answers{err: apierrors.NewTooManyRequestsError("later")}, "", false, true},
	} {
		t.Run(test.because, func(t *testing.T) {
			c := newTemplateCluster(t, &test.answers, templateWith(test.value))
			_, err := c.reconcileTemplate()
			if (err != nil) != test.fails {
				t.Errorf("error %v", err)
			}
			status := c.templateStatus()
			ready := meta.FindStatusCondition(status.Conditions, dispatcherv1alpha1.ConditionReady)
			if test.reason == "" {
				if ready != nil || len(c.patches) > 0 {
					t.Fatalf("the status %v was written", status)
				}
				return
			}
			if ready == nil || ready.Reason != test.reason || (ready.Status == metav1.ConditionTrue) != (test.reason == accepted) {
				t.Fatalf("Ready is %v, want %s", ready, test.reason)
			}
			if status.ObservedGeneration != 3 || ready.ObservedGeneration != 3 || len(ready.Message) > 1000 {
				t.Errorf("the status %v is not of the generation, or too long", status)
			}
			if stalled := meta.IsStatusConditionTrue(status.Conditions, dispatcherv1alpha1.ConditionStalled); stalled != test.stalled {
				t.Errorf("Stalled is %v", stalled)
			}
		})
	}
}

func refusedAs(err *apierrors.StatusError) trial.Result { return trial.Result{Refusal: err} }

// A message names the field, but not megabytes of it.
func TestMessageOnTemplates(t *testing.T) {
	template := templateWith("{{ nope }}" + strings.Repeat("é", 100_000))
	env := &template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env
	for range 100 {
		*env = append(*env, (*env)[0])
	}
	c := newTemplateCluster(t, &answers{}, template)
	if _, err := c.reconcileTemplate(); err != nil {
		t.Fatal(err)
	}
	ready := c.templateStatus().Conditions[0]
	const path = "spec.jobTemplate.spec.template.spec.containers[0].env[0].value"
	if !strings.HasPrefix(ready.Message, path) || len(ready.Message) > 1000 {
		t.Errorf("%d bytes: %.1000s", len(ready.Message), ready.Message)
	}
}

// Events tell changes for the worse, and when it is over.
func TestEventsOnTemplates(t *testing.T) {
	jobs := &answers{}
	c := newTemplateCluster(t, jobs, templateWith(""))
	for _, step := range []struct {
		reason string
		result trial.Result
		want   []string
	}{
		{"ready at the start", trial.Result{}, nil},
		{"not ready any more", refusedJob(http.StatusForbidden, quotaIsFull), []string{"Warning JobForbidden"}},
		{"for the same reason in other words", refusedJob(http.StatusForbidden, quotaIsSmall), nil},
		{"for another reason", invalidJob(), []string{"Warning JobInvalid"}},
		{"ready again", trial.Result{}, []string{"Normal Accepted"}},
		{"still ready", trial.Result{}, nil},
	} {
		jobs.result = step.result
		if _, err := c.reconcileTemplate(); err != nil {
			t.Fatal(err)
		}
		if got := c.events(); !slices.Equal(got, step.want) && len(got)+len(step.want) > 0 {
			t.Errorf("%s: events %q, want %q", step.reason, got, step.want)
		}
	}
	bad := newTemplateCluster(t, &answers{}, templateWith("{{ nope }}"))
	if _, err := bad.reconcileTemplate(); err != nil {
		t.Fatal(err)
	}
	if got := bad.events(); !slices.Equal(got, []string{"Warning RenderFailed"}) {
		t.Errorf("not ready at the start: events %q", got)
	}
}
