package controller

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
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
	name := execution.Name
	execution, err := r.payloads.Restore(ctx, execution)
	switch {
	case executionNamed(name).isGone(err):
		return nil, fmt.Errorf("%w: %w", errOutdated, err)
	case err != nil:
		return nil, err
	}
	job, err := r.renderJobFrom(ctx, r.templates.Get, execution)
	if _, ok := errors.AsType[*terminalError](err); ok {
		return r.renderJobFrom(ctx, r.templates.Read, execution)
	}
	return job, err
}

// errIncomplete says that the cache has left out a part of an object that its Job is rendered from.
var errIncomplete = errors.New("the template or the payload is incomplete")

func (r *reconciler) renderJobFrom(
	ctx context.Context,
	read func(context.Context, types.NamespacedName) (*dispatcherv1alpha1.JobTemplate, error),
	execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, error) {
	key := types.NamespacedName{Namespace: execution.Namespace, Name: execution.Spec.JobTemplateName}
	template, err := read(ctx, key)
	switch {
	case templateNamed(execution.Spec.JobTemplateName).isGone(err):
		return nil, templateNotFound(execution)
	case err != nil:
		return nil, fmt.Errorf("reading JobTemplate %s: %w", execution.Spec.JobTemplateName, err)
	case objectcache.IsIncomplete(template) || objectcache.IsIncomplete(execution):
		return nil, fmt.Errorf("rendering JobTemplate %s: %w", template.Name, errIncomplete)
	}
	job, errs := r.renderer.Job(render.WithOrigin(ctx, render.OriginController), template, execution)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("rendering JobTemplate %s: %w", template.Name, context.Cause(ctx))
	case len(errs) > 0:
		return nil, renderFailed(template, errs)
	}
	return job, nil
}
