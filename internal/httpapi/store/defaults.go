package store

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// setDefaults sets what an execution inherits from its template, as the defaulting webhook does. It marks the execution
// as defaulted, for which the API server does not call that webhook (its matchCondition looks for the mark): one call
// less for each execution. Where the whole template is not in memory, the webhook is called, and reads past the cache.
// It returns the template, or nil where the whole of it is not in memory.
func (s *Store) setDefaults(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution,
) *dispatcherv1alpha1.JobTemplate {
	template := s.kept(ctx, execution.Namespace, execution.Spec.JobTemplateName)
	if template != nil {
		render.Inherit(execution, template)
		execution.Annotations[dispatcherv1alpha1.AnnotationDefaulted] = "true"
	}
	return template
}

// kept returns the template if the whole of it is in memory, or nil.
func (s *Store) kept(ctx context.Context, namespace, name string) *dispatcherv1alpha1.JobTemplate {
	template, err := s.templates.Kept(ctx, client.ObjectKey{Namespace: namespace, Name: name})
	if err != nil || !template.DeletionTimestamp.IsZero() {
		return nil
	}
	return template
}
