package webhook

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobtemplates,verbs=get;list;watch

// templateLookup finds JobTemplates: in the cache, and past it where a refusal would depend on the cache being right.
type templateLookup struct{ templates *objectcache.Templates }

// get returns the template from the cache where it can. It reads past a cache that lacks the template (it may have
// been created a moment ago, or be too large to be kept), that knows it as being deleted (it may have been made anew),
// or that is not in sync, since the webhook server of a manager starts before its caches do. The error of a template
// that does not exist is NotFound.
func (l *templateLookup) get(ctx context.Context, key client.ObjectKey) (*dispatcherv1alpha1.JobTemplate, error) {
	cacheCtx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()

	if template, err := l.templates.Kept(cacheCtx, key); err == nil && template.DeletionTimestamp.IsZero() {
		return template, nil
	}
	return l.getLive(ctx, key)
}

// getLive returns the template as the API server has it now.
func (l *templateLookup) getLive(ctx context.Context, key client.ObjectKey) (*dispatcherv1alpha1.JobTemplate, error) {
	return l.templates.Read(ctx, key)
}
