package webhook

import (
	"cmp"
	"context"
	"testing"
	"testing/synctest"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// emptyCache is the manager's client of a busyServer. Its cache has nothing.
type emptyCache struct {
	client.Client

	server *busyServer
}

// allowedNamespace is where access reviews are answered at once, with yes.
const allowedNamespace = "allowed"

func (e emptyCache) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	review, ok := object.(*authorizationv1.SubjectAccessReview)
	if ok && review.Spec.ResourceAttributes.Namespace == allowedNamespace {
		review.Status.Allowed = true
		return nil
	}
	return e.server.Create(ctx, object, options...)
}

func (emptyCache) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "jobtemplates"}, key.Name)
}

func (e emptyCache) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	e.server.wait(ctx)
	return nil
}

// Whatever a stranger makes the webhooks ask, each of them waits for its turn, and all of them share the turns.
func TestWebhooksShareWhatTheyAsk(t *testing.T) {
	// A template that is not in the cache takes memory, too.
	const maxReads = maxTemplatesOfNamespace / unknownTemplate
	most := map[string]int64{"what the defaults are": maxReads, "which template it is": maxReads}
	asks := map[string]func(context.Context, hooks){
		"whether an author may": func(ctx context.Context, h hooks) {
			_, _ = h.templates.ValidateCreate(ctx, jobTemplate("a", ""))
		},
		"whether a Job is valid": func(ctx context.Context, h hooks) {
			template := jobTemplate("a", "")
			template.Namespace = allowedNamespace
			_, _ = h.templates.ValidateCreate(ctx, template)
		},
		"what the defaults are": func(ctx context.Context, h hooks) {
			_ = h.defaults.Default(ctx, jobExecution("e", "a", ""))
		},
		"which template it is": func(ctx context.Context, h hooks) {
			_, _ = h.executions.ValidateCreate(ctx, defaultedExecution("e", "a", ""))
		},
		"who the manager is": func(ctx context.Context, h hooks) {
			execution := defaultedExecution("e", "a", "")
			execution.Annotations = map[string]string{dispatcherv1alpha1.AnnotationDefaulted: "true"}
			_, _ = h.executions.ValidateCreate(ctx, execution)
		},
		"what a deletion leaves behind": func(ctx context.Context, h hooks) {
			request, _ := admission.RequestFromContext(ctx)
			h.deletions.Handle(ctx, request)
		},
	}
	try := func(reason string, most int64, asks ...func(context.Context, hooks)) {
		synctest.Test(t, func(t *testing.T) {
			b := &busyServer{answer: make(chan struct{})}
			h := newHooks(emptyCache{server: b}, b, b, render.NewDirect(1), objectcache.New())
			for range 2 * maxCallsOfAddress {
				for _, ask := range asks {
					go ask(server.WithAddress(requestContext(t), strangersAddress), h)
				}
			}
			synctest.Wait()
			if got := b.waiting.Load(); got != most {
				t.Errorf("%s: asked %d times at a time, want %d", reason, got, most)
			}
			for _, ask := range asks {
				ask(server.WithAddress(requestContext(t), "10.0.0.1"), h)
			}
			close(b.answer)
			synctest.Wait()
		})
	}
	var all []func(context.Context, hooks)
	for reason, ask := range asks {
		try(reason, cmp.Or(most[reason], maxCallsOfNamespace), ask)
		all = append(all, ask)
	}
	try("everything", maxCallsOfAddress, all...)
}
