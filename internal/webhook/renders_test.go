package webhook

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// slowRenderer renders as many templates at a time as it has workers, and each takes long, except those of namespace
// default. A worker that has begun goes on when nobody waits for it any more.
type slowRenderer struct{ workers chan struct{} }

const slowRender = 3 * time.Second

func (s slowRenderer) Job(
	_ context.Context, _ *dispatcherv1alpha1.JobTemplate, _ *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	panic("unexpected render")
}

func (s slowRenderer) Examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) render.Examination {
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s.workers <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if template.Namespace != "default" {
			time.Sleep(slowRender)
		}
		<-s.workers
	}()
	select {
	case <-done:
		return render.Examination{}
	case <-ctx.Done():
		return render.Examination{Errors: field.ErrorList{field.InternalError(nil, ctx.Err())}}
	}
}

// However many slow templates a stranger sends, of however many namespaces, the API server is answered, and in time.
func TestSlowTemplatesOfAStrangerLeaveRoomForTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		renderer := newFairRenderer(slowRenderer{make(chan struct{}, 2)}, 2)
		ask := func(address, namespace string) error {
			validator := newJobTemplateValidator(&stubAccess{}, &stubTrial{})
			validator.renderer = renderer
			template := jobTemplate("a", "")
			template.Namespace = namespace
			_, err := validator.ValidateCreate(server.WithAddress(requestContext(t), address), template)
			return err
		}
		results := make(chan error, 100)
		for i := range 100 {
			go func() { results <- ask("10.6.6.6", string(rune('a'+i%26))) }()
		}
		synctest.Wait()
		begun := time.Now()
		if err := ask("10.0.0.1", "default"); err != nil {
			t.Errorf("the API server got %v", err)
		}
		if took := time.Since(begun); took > server.Timeout {
			t.Errorf("the API server was answered after %v", took)
		}
		var errs []error
		for range 100 {
			errs = append(errs, <-results)
		}
		if took := time.Since(begun); took > server.Timeout {
			t.Errorf("all were answered after %v", took)
		}
		if !slices.ContainsFunc(errs, apierrors.IsTimeout) {
			t.Error("the stranger was not refused")
		}
		time.Sleep(slowRender) // until the workers have ended
	})
}

// Where the API server has asked before, a stranger never holds all workers.
func TestAStrangerLeavesAWorkerToTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		renderer := newFairRenderer(slowRenderer{make(chan struct{}, 2)}, 2)
		examine := func(address, namespace string) {
			template := jobTemplate("a", "")
			template.Namespace = namespace
			renderer.Examine(server.WithAddress(t.Context(), address), template)
		}
		examine("10.0.0.1", "default")
		for i := range 26 {
			go examine("10.6.6.6", string(rune('a'+i)))
		}
		synctest.Wait()
		begun := time.Now()
		examine("10.0.0.1", "default")
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("the API server waited for %v", waited)
		}
		time.Sleep(time.Hour) // until the stranger's are rendered
		if !renderer.alone("10.0.0.1") {
			t.Error("the stranger counts an hour later")
		}
	})
}

func TestARenderThatDoesNotBeginIsNoFaultOfTheTemplate(t *testing.T) {
	renderer := newFairRenderer(render.NewDirect(1), 1)
	ctx, cancel := context.WithCancel(t.Context())
	if _, errs := renderer.wait(server.WithAddress(ctx, "a"), jobTemplate("a", "")); len(errs) > 0 {
		t.Fatal(errs)
	}
	cancel()
	template := jobTemplate("a", "")
	examined := renderer.Examine(server.WithAddress(ctx, "a"), template)
	if !render.Retryable(examined.Errors) || !examined.UsesMetadata {
		t.Errorf("Examine: %+v", examined)
	}
	if _, errs := renderer.Job(server.WithAddress(ctx, "a"), template, jobExecution("e", "a", "")); !render.Retryable(errs) {
		t.Errorf("Job: %v", errs)
	}
}
