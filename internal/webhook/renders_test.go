package webhook

import (
	"context"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// originRecorder remembers who asked for its last render, and whether that had a deadline.
type originRecorder struct {
	origin  string
	bounded bool
}

func (o *originRecorder) record(ctx context.Context) {
	o.origin = render.Origin(ctx)
	_, o.bounded = ctx.Deadline()
}

func (o *originRecorder) Job(
	ctx context.Context, _ *dispatcherv1alpha1.JobTemplate, _ *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	o.record(ctx)
	return &batchv1.Job{}, nil
}

func (o *originRecorder) Render(
	ctx context.Context, _ *dispatcherv1alpha1.JobTemplate, _ *dispatcherv1alpha1.JobExecution,
) render.Rendering {
	o.record(ctx)
	return render.Rendering{Job: &batchv1.Job{}}
}

func (o *originRecorder) Examine(ctx context.Context, _ *dispatcherv1alpha1.JobTemplate) render.Examination {
	o.record(ctx)
	return render.Examination{}
}

// The namespace of a review is what its sender claims. So each render counts for the address of the sender, too.
func TestRendersCountForTheAddressOfTheReview(t *testing.T) {
	template := jobTemplate("a", "")
	changed := template.DeepCopy()
	changed.Labels = map[string]string{"a": "b"}
	for reason, review := range map[string]func(ctx context.Context, renderer render.Renderer) error{
		"a template": func(ctx context.Context, renderer render.Renderer) error {
			validator := newJobTemplateValidator(&stubAccess{}, &stubTrial{})
			validator.renderer = renderer
			_, err := validator.ValidateCreate(ctx, template)
			return err
		},
		"labels of a template": func(ctx context.Context, renderer render.Renderer) error {
			validator := newJobTemplateValidator(&stubAccess{}, &stubTrial{})
			validator.renderer = renderer
			_, err := validator.ValidateUpdate(ctx, template, changed)
			return err
		},
		"an execution": func(ctx context.Context, renderer render.Renderer) error {
			reader := &stubReader{template: template}
			validator := &jobExecutionValidator{templates: newLookup(reader, reader), renderer: renderer}
			_, err := validator.ValidateCreate(ctx, defaultedExecution("e", "a", ""))
			return err
		},
	} {
		recorder := &originRecorder{}
		if err := review(server.WithAddress(requestContext(t), "10.6.6.6"), recorder); err != nil {
			t.Errorf("%s: %v", reason, err)
		}
		if recorder.origin != "webhook/10.6.6.6" || !recorder.bounded {
			t.Errorf("%s: rendered for %q, with a deadline: %v", reason, recorder.origin, recorder.bounded)
		}
	}
}
