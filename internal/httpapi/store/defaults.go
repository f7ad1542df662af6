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
func (s *Store) setDefaults(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) {
	key := client.ObjectKey{Namespace: execution.Namespace, Name: execution.Spec.JobTemplateName}
	template, err := s.templates.Kept(ctx, key)
	if err != nil || !template.DeletionTimestamp.IsZero() {
		return
	}
	render.Inherit(execution, template)
	execution.Annotations[dispatcherv1alpha1.AnnotationDefaulted] = "true"
}
