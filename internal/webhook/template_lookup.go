package webhook

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/fairqueue"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/refusal"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobtemplates,verbs=get;list;watch

// templateLookup finds JobTemplates: in the cache, and past it where a refusal would depend on the cache being right.
type templateLookup struct {
	templates *objectcache.Templates

	// memory is for templates that reviews of executions hold, and for those that are being read. What is kept is shared,
	// but a review may hold what is kept no more.
	memory *fairqueue.Queue
}

// The memory of a templateLookup, in bytes: for all, for an address, and for a namespace of an address.
const (
	maxTemplates            = 48 << 20
	maxTemplatesOfAddress   = 24 << 20
	maxTemplatesOfNamespace = 12 << 20

	// unknownTemplate is what a template counts that is not in the cache, and smallTemplate is up to where it counts
	// nothing: a review counts more.
	unknownTemplate = 4 << 20
	smallTemplate   = 64 << 10
)

func newTemplateLookup(templates *objectcache.Templates) *templateLookup {
	return &templateLookup{
		templates: templates,
		memory:    fairqueue.New(maxTemplates, maxTemplatesOfAddress, maxTemplatesOfNamespace),
	}
}

// get returns the template from the cache where it can. It reads past a cache that lacks the template (it may have
// been created a moment ago, or be too large to be kept), that knows it as being deleted (it may have been made anew),
// or that is not in sync, since the webhook server of a manager starts before its caches do. The error of a template
// that does not exist is NotFound.
//
// The template is shared and must not be changed. If there is no error, the caller must call release when it does not
// use the template any more.
func (l *templateLookup) get(ctx context.Context, key client.ObjectKey) (
	template *dispatcherv1alpha1.JobTemplate, release func(), err error,
) {
	cacheCtx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	weight, kept := l.templates.Weight(cacheCtx, key)
	if !kept {
		weight = unknownTemplate
	}
	if release, err = l.wait(ctx, key.Namespace, weight); err != nil {
		return nil, nil, err
	}
	// It has its own time: this one may have waited for its turn.
	cacheCtx, cancel = context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	if kept {
		template, err = l.templates.Kept(cacheCtx, key)
	}
	if !kept || err != nil || !template.DeletionTimestamp.IsZero() {
		template, err = l.getLive(ctx, key)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return template, release, nil
}

// wait returns when there is memory for a template.
func (l *templateLookup) wait(ctx context.Context, namespace string, weight int64) (release func(), err error) {
	if weight <= smallTemplate {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	release, err = l.memory.Acquire(ctx, fairqueue.Origin{Address: server.Address(ctx), Flow: namespace}, weight)
	if err != nil {
		return nil, fmt.Errorf("too many executions of large templates are being checked: %w", err)
	}
	return release, nil
}

// isMissing says whether the API server has looked for the template and found none. A proxy also answers 404, and so
// does an API server that does not serve JobTemplates.
func isMissing(err error) bool { return apierrors.IsNotFound(err) && !refusal.Unexpected(err) }

// getLive returns the template as the API server has it now.
func (l *templateLookup) getLive(ctx context.Context, key client.ObjectKey) (*dispatcherv1alpha1.JobTemplate, error) {
	return l.templates.Read(ctx, key)
}
