package controller

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobtemplates,verbs=get;list;watch

// renderJob renders the Job of the execution. The cache may show an older template than the one that admission has
// seen. Therefore a terminal error is only returned after a second try with the template that the API server has now.
func (r *reconciler) renderJob(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (*batchv1.Job, error) {
	end, ok := r.renders.begin(execution.Namespace)
	if !ok {
		return nil, errManyRenders
	}
	defer end()
	job, err := r.renderJobFrom(ctx, r.client, execution)
	if _, ok := errors.AsType[*terminalError](err); ok {
		return r.renderJobFrom(ctx, r.apiReader, execution)
	}
	return job, err
}

func (r *reconciler) renderJobFrom(
	ctx context.Context, reader client.Reader, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, error) {
	template := &dispatcherv1alpha1.JobTemplate{}
	err := reader.Get(
		ctx, types.NamespacedName{Namespace: execution.Namespace, Name: execution.Spec.JobTemplateName}, template,
	)
	switch {
	case apierrors.IsNotFound(err):
		return nil, templateNotFound(execution)
	case err != nil:
		return nil, fmt.Errorf("reading JobTemplate %s: %w", execution.Spec.JobTemplateName, err)
	}
	job, errs := r.renderer.Job(ctx, template, execution)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("rendering JobTemplate %s: %w", template.Name, context.Cause(ctx))
	case len(errs) > 0:
		return nil, renderFailed(template, errs)
	}
	return job, nil
}
