package webhook

import (
	"context"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/fairqueue"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// fairRenderer keeps the renders that one caller of the webhooks asks for from keeping others waiting. Renders are
// what takes time here, and strangers may reach the webhooks: addresses take turns, and namespaces of an address do.
type fairRenderer struct {
	renderer render.Renderer
	queue    *fairqueue.Queue

	// contended is passed first while several addresses ask: then each of them leaves a worker to the others.
	contended *fairqueue.Queue

	mutex sync.Mutex
	seen  map[string]time.Time
}

// recently is how long an address counts after its last request.
const recently = 10 * time.Minute

var _ render.Renderer = &fairRenderer{}

// newFairRenderer shares workers, the number of renders that renderer does at a time. One render more than that may
// be under way, and never all of them for one address.
func newFairRenderer(renderer render.Renderer, workers int) *fairRenderer {
	n := int64(max(workers, 1))
	return &fairRenderer{
		renderer:  renderer,
		queue:     fairqueue.New(n+1, n, max(n-1, 1)),
		contended: fairqueue.New(math.MaxInt64, max(n-1, 1), 1),
		seen:      map[string]time.Time{},
	}
}

// alone reports whether no other address has asked recently.
func (f *fairRenderer) alone(address string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	now := time.Now()
	f.seen[address] = now
	maps.DeleteFunc(f.seen, func(_ string, last time.Time) bool { return now.Sub(last) > recently })
	return len(f.seen) == 1
}

// Job implements render.Renderer.
func (f *fairRenderer) Job(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	release, errs := f.wait(ctx, template)
	if len(errs) > 0 {
		return nil, errs
	}
	defer release()
	return f.renderer.Job(ctx, template, execution)
}

// Examine implements render.Renderer.
func (f *fairRenderer) Examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) render.Examination {
	release, errs := f.wait(ctx, template)
	if len(errs) > 0 {
		return render.Examination{Errors: errs, UsesMetadata: true}
	}
	defer release()
	return f.renderer.Examine(ctx, template)
}

// wait returns when it is the turn of ctx's request, or with an error that render.Retryable is true for.
func (f *fairRenderer) wait(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) (func(), field.ErrorList) {
	origin := fairqueue.Origin{Address: server.Address(ctx), Flow: template.Namespace}
	leave := func() {}
	var err error
	if !f.alone(origin.Address) {
		leave, err = f.contended.Acquire(ctx, origin, 1)
	}
	var release func()
	if err == nil {
		release, err = f.queue.Acquire(ctx, origin, 1)
	}
	if err != nil {
		if leave != nil {
			leave()
		}
		err = fmt.Errorf("too many templates are being rendered: %w", err)
		return nil, field.ErrorList{field.InternalError(field.NewPath("spec", "jobTemplate"), err)}
	}
	return func() { release(); leave() }, nil
}
