package httpapi

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// defaults fill in what an execution takes from its template, as the defaulting webhook does, so that the API server need
// not call that one. What the cache does not have is left to the webhook, which reads past it.
type defaults struct {
	templates client.Reader
}

func (d defaults) fillIn(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) {
	template := &dispatcherv1alpha1.JobTemplate{}
	key := client.ObjectKey{Namespace: execution.Namespace, Name: execution.Spec.JobTemplateName}
	if err := d.templates.Get(ctx, key, template); err != nil || !template.DeletionTimestamp.IsZero() {
		return
	}
	render.Inherit(execution, template)
	execution.Annotations[dispatcherv1alpha1.AnnotationDefaulted] = "true"
}
