package objectcache

import (
	"context"
	"errors"

	"golang.org/x/sync/semaphore"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// ErrNotKept says that the informer has the JobTemplate, but that the whole of it is not kept in memory.
var ErrNotKept = errors.New("the JobTemplate is not kept in memory")

// Templates returns whole JobTemplates. What it returns is shared, and must not be changed.
type Templates struct {
	cache        *Cache
	cached, live client.Reader
	reads        *semaphore.Weighted
}

// Templates returns the JobTemplates that cached, the informers with the options of ByObject, and live, the API server,
// have.
func (c *Cache) Templates(cached, live client.Reader) *Templates {
	return &Templates{cache: c, cached: cached, live: live, reads: semaphore.NewWeighted(maxReads)}
}

// Kept returns the JobTemplate as the informer shows it, without a call of the API server. The error is ErrNotKept if
// the informer has the template and the memory does not.
func (t *Templates) Kept(ctx context.Context, key types.NamespacedName) (*dispatcherv1alpha1.JobTemplate, error) {
	cached := &dispatcherv1alpha1.JobTemplate{}
	if err := t.cached.Get(ctx, key, cached); err != nil {
		return nil, err
	}
	if !IsIncomplete(cached) {
		return cached, nil
	}
	whole, ok := t.cache.templates.get(cached.UID)
	if !ok || whole.ResourceVersion != cached.ResourceVersion {
		return nil, ErrNotKept
	}
	return whole, nil
}

// Weight returns how many bytes the JobTemplate that is kept needs in memory, and false where none is kept.
func (t *Templates) Weight(ctx context.Context, key types.NamespacedName) (int64, bool) {
	cached := &dispatcherv1alpha1.JobTemplate{}
	if err := t.cached.Get(ctx, key, cached); err != nil {
		return 0, false
	}
	if !IsIncomplete(cached) {
		return weightOf(cached), true
	}
	return t.cache.templates.weight(cached.UID)
}

// Peek returns the JobTemplate as Get does. A template that was read from the API server is not kept, so that it does
// not take the place of one that is used.
func (t *Templates) Peek(ctx context.Context, key types.NamespacedName) (*dispatcherv1alpha1.JobTemplate, error) {
	template, err := t.Kept(ctx, key)
	if !errors.Is(err, ErrNotKept) {
		return template, err
	}
	if err := t.reads.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer t.reads.Release(1)
	template = &dispatcherv1alpha1.JobTemplate{}
	if err := t.live.Get(ctx, key, template); err != nil {
		return nil, err
	}
	return template, nil
}

// Get returns the JobTemplate as the informer shows it, or, if that is not kept, as the API server has it now.
func (t *Templates) Get(ctx context.Context, key types.NamespacedName) (*dispatcherv1alpha1.JobTemplate, error) {
	template, err := t.Kept(ctx, key)
	if !errors.Is(err, ErrNotKept) {
		return template, err
	}
	if err := t.reads.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer t.reads.Release(1)
	// Another call may have read it meanwhile.
	if template, err := t.Kept(ctx, key); !errors.Is(err, ErrNotKept) {
		return template, err
	}
	return t.Read(ctx, key)
}

// Read returns the JobTemplate as the API server has it now.
func (t *Templates) Read(ctx context.Context, key types.NamespacedName) (*dispatcherv1alpha1.JobTemplate, error) {
	template := &dispatcherv1alpha1.JobTemplate{}
	if err := t.live.Get(ctx, key, template); err != nil {
		return nil, err
	}
	t.cache.keepTemplate(template)
	return template, nil
}

// keepTemplate keeps a whole template, without what no render can see. It must not be changed any more.
func (c *Cache) keepTemplate(template *dispatcherv1alpha1.JobTemplate) {
	template.ManagedFields = nil
	delete(template.Annotations, corev1.LastAppliedConfigAnnotation)
	delete(template.Annotations, annotationIncomplete) // A user may have set it.
	c.templates.put(template.UID, template, weightOf(template))
}
