package webhook

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

// stuck renders nothing and answers nothing before the time of its caller is over.
type stuck struct{}

func (stuck) Job(
	ctx context.Context, _ *dispatcherv1alpha1.JobTemplate, _ *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	<-ctx.Done()
	return nil, field.ErrorList{field.InternalError(nil, ctx.Err())}
}

func (s stuck) Render(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) render.Rendering {
	_, errs := s.Job(ctx, template, execution)
	return render.Rendering{Errors: errs}
}

func (s stuck) Examine(ctx context.Context, _ *dispatcherv1alpha1.JobTemplate) render.Examination {
	_, errs := s.Job(ctx, nil, nil)
	return render.Examination{Errors: errs, UsesMetadata: true}
}

func (stuck) Try(ctx context.Context, _ *batchv1.Job) (trial.Result, error) {
	<-ctx.Done()
	return trial.Result{}, ctx.Err()
}

func (stuck) Create(ctx context.Context, _ client.Object, _ ...client.CreateOption) error {
	<-ctx.Done()
	return ctx.Err()
}

func (stuck) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	<-ctx.Done()
	return ctx.Err()
}

func (stuck) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	<-ctx.Done()
	return ctx.Err()
}

// Whatever does not answer, the API server has its answer in time, and nothing is admitted without being checked.
func TestWebhooksAnswerInTime(t *testing.T) {
	stored := &stubReader{template: jobTemplate("a", "")}
	found, blocked := newLookup(stored, stored), newLookup(stuck{}, stuck{})
	relabelled := jobTemplate("a", "")
	relabelled.Labels = map[string]string{"team": "blue"}
	for _, test := range []struct {
		reason string
		ask    func(context.Context) error
		want   time.Duration
		is     func(error) bool
	}{
		{"an execution does not render", func(ctx context.Context) error {
			validator := &jobExecutionValidator{templates: found, renderer: stuck{}}
			_, err := validator.ValidateCreate(ctx, defaultedExecution("e", "a", ""))
			return err
		}, renderTimeout, apierrors.IsTimeout},
		{"the template of an execution cannot be read", func(ctx context.Context) error {
			validator := &jobExecutionValidator{templates: blocked, renderer: stuck{}}
			_, err := validator.ValidateCreate(ctx, defaultedExecution("e", "a", ""))
			return err
		}, admissionTimeout, apierrors.IsServiceUnavailable},
		{"the defaults of an execution cannot be read", func(ctx context.Context) error {
			return (&jobExecutionDefaulter{manager: knownAccount(), templates: blocked}).Default(ctx, jobExecution("e", "a", ""))
		}, admissionTimeout, apierrors.IsServiceUnavailable},
		{"the Job of an execution is not tried", func(ctx context.Context) error {
			validator := newExecutionValidator(labelled("{{ .Payload }}"), &stubTrial{})
			validator.trial = stuck{}
			_, err := validator.ValidateCreate(ctx, defaultedExecution("e", "a", ""))
			return err
		}, admissionTimeout, apierrors.IsTimeout},
		{"a template does not render", func(ctx context.Context) error {
			validator := &jobTemplateValidator{access: &stubAccess{}, renderer: stuck{}, trial: &stubTrial{}}
			_, err := validator.ValidateCreate(ctx, jobTemplate("a", ""))
			return err
		}, renderTimeout, apierrors.IsTimeout},
		{"nobody says whether the author may", func(ctx context.Context) error {
			validator := &jobTemplateValidator{access: stuck{}, renderer: render.NewDirect(1), trial: &stubTrial{}}
			_, err := validator.ValidateCreate(ctx, jobTemplate("a", ""))
			return err
		}, admissionTimeout, apierrors.IsServiceUnavailable},
		{"a template whose labels changed does not render", func(ctx context.Context) error {
			validator := &jobTemplateValidator{access: stuck{}, renderer: stuck{}, trial: &stubTrial{}}
			_, err := validator.ValidateUpdate(ctx, jobTemplate("a", ""), relabelled)
			return err
		}, admissionTimeout, apierrors.IsServiceUnavailable},
		{"a deletion is allowed all the same", func(ctx context.Context) error {
			request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Name: "a"}}
			if !(&deletionWarner{executions: stuck{}, calls: newCalls()}).Handle(ctx, request).Allowed {
				return apierrors.NewBadRequest("refused")
			}
			return nil
		}, deletionTimeout, func(err error) bool { return err == nil }},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			if err := test.ask(requestContext(t)); !test.is(err) {
				t.Errorf("%s: got %v", test.reason, err)
			}
			if took := time.Since(begun); took != test.want {
				t.Errorf("%s: answered after %v, want %v", test.reason, took, test.want)
			}
		})
	}
}

// slowReader takes longer than a cache may.
type slowReader struct{ stubReader }

func (s *slowReader) Get(
	ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption,
) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * cacheTimeout):
		return s.stubReader.Get(ctx, key, object, options...)
	}
}

// The API server may take longer than the cache, which did not answer.
func TestTheTimeOfTheCacheIsNotThatOfTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lookup := newLookup(stuck{}, &slowReader{stubReader{template: jobTemplate("a", "")}})
		if _, _, err := lookup.get(t.Context(), client.ObjectKey{Namespace: "default", Name: "a"}); err != nil {
			t.Error(err)
		}
	})
}

// A name that no template can have is not asked for: it would be a part of a path.
func TestDefaultsOfAnImpossibleName(t *testing.T) {
	for _, name := range []string{"", "../a", "a/b", "A"} {
		reader := &stubReader{}
		defaulter := &jobExecutionDefaulter{manager: knownAccount(), templates: newLookup(reader, reader)}
		if err := defaulter.Default(requestContext(t), jobExecution("e", name, "")); err != nil || reader.gets > 0 {
			t.Errorf("%q: asked %d times, error %v", name, reader.gets, err)
		}
	}
}

// A template that uses generateName may have no name yet, and no namespace. It gets none from its validation.
func TestValidateTemplateWithoutName(t *testing.T) {
	access, jobs := &stubAccess{}, &stubTrial{}
	template := jobTemplate("", `{{ if ne .JobTemplate.Name "run-xxxxx" }}{{ fail .JobTemplate.Name }}{{ end }}`)
	template.Namespace, template.GenerateName = "", "run-"
	if _, err := newJobTemplateValidator(access, jobs).ValidateCreate(requestContext(t), template); err != nil {
		t.Error(err)
	}
	if template.Name != "" || template.Namespace != "" {
		t.Errorf("the object under admission became %s/%s", template.Namespace, template.Name)
	}
	if got := access.reviews[0].Spec.ResourceAttributes.Namespace; got != "default" || jobs.jobs[0].Namespace != got {
		t.Errorf("asked about namespace %q, and tried a Job in %q", got, jobs.jobs[0].Namespace)
	}
}
