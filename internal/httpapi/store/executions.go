package store

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/refusal"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=create;get;list;patch;delete

// A caller that hangs up would look like an API server that is away, and must not leave anything half done. So these
// calls do not end with their context, but after a time that is short.

// Get returns an execution as it is now.
func (s *Store) Get(ctx context.Context, namespace, name string) (*dispatcherv1alpha1.JobExecution, error) {
	found, err := s.get(context.WithoutCancel(ctx), namespace, name)
	if err != nil {
		return nil, translateCall(err, Target{Namespace: namespace, Execution: name})
	}
	return found, nil
}

func (s *Store) get(ctx context.Context, namespace, name string) (*dispatcherv1alpha1.JobExecution, error) {
	ctx, cancel := context.WithTimeout(ctx, LookupTimeout)
	defer cancel()
	found := &dispatcherv1alpha1.JobExecution{}
	err := executions(s.dispatcher.Get(), namespace).Name(name).Do(ctx).Into(found)
	return found, err
}

// CachedTemplate returns the JobTemplate of an execution that the cache knows. It costs no request.
func (s *Store) CachedTemplate(ctx context.Context, namespace, name string) (template string, cached bool) {
	found := &dispatcherv1alpha1.JobExecution{}
	key := client.ObjectKey{Namespace: namespace, Name: name}
	if err := s.cache.Get(ctx, key, found, client.UnsafeDisableDeepCopy); err != nil {
		return "", false
	}
	return found.Spec.JobTemplateName, true
}

// Cancel marks just this execution, and not another that has taken its name, as canceled, and returns it as it is then.
func (s *Store) Cancel(
	ctx context.Context,
	execution *dispatcherv1alpha1.JobExecution,
) (*dispatcherv1alpha1.JobExecution, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CreateTimeout)
	defer cancel()
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": execution.UID},
		"spec":     map[string]any{"canceled": true},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the patch that cancels: %w", err)
	}
	canceled := &dispatcherv1alpha1.JobExecution{}
	err = executions(s.dispatcher.Patch(types.MergePatchType), execution.Namespace).Name(execution.Name).
		Param("timeout", apiServerDeadline.String()).
		Param("fieldManager", fieldManager).
		Body(patch).Do(ctx).Into(canceled)
	switch {
	case isOfAnotherUID(err):
		return nil, NotFound(execution)
	case err != nil:
		return nil, translateCall(err, targetOf(execution))
	}
	return canceled, nil
}

// isOfAnotherUID tells whether a patch was refused because its execution was deleted and another has its name: a UID
// cannot be changed.
func isOfAnotherUID(err error) bool {
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	return ok && cause.Field == "metadata.uid"
}

// Delete removes just this execution, and not another that has taken its name, together with its Job and pods. It
// returns the execution if that stays until others have taken their finalizers from it, else nil.
func (s *Store) Delete(
	ctx context.Context,
	execution *dispatcherv1alpha1.JobExecution,
) (*dispatcherv1alpha1.JobExecution, error) {
	terminating, err := s.delete(context.WithoutCancel(ctx), execution)
	switch {
	case isOfAnother(err):
		return nil, NotFound(execution) // It was deleted meanwhile, and another has its name.
	case err != nil:
		return nil, translateCall(err, targetOf(execution))
	}
	return terminating, nil
}

// isOfAnother tells whether a delete was refused because its execution was deleted and another has its name.
func isOfAnother(err error) bool {
	return apierrors.IsConflict(err) && !refusal.ByPolicy(err) && !refusal.ByProxy(err)
}

func (s *Store) delete(
	ctx context.Context,
	execution *dispatcherv1alpha1.JobExecution,
) (*dispatcherv1alpha1.JobExecution, error) {
	ctx, cancel := context.WithTimeout(ctx, LookupTimeout)
	defer cancel()
	background := metav1.DeletePropagationBackground
	answer, err := executions(s.dispatcher.Delete(), execution.Namespace).Name(execution.Name).
		Body(&metav1.DeleteOptions{
			Preconditions:     &metav1.Preconditions{UID: &execution.UID},
			PropagationPolicy: &background,
		}).Do(ctx).Get()
	terminating, _ := answer.(*dispatcherv1alpha1.JobExecution)
	return terminating, err
}

func targetOf(execution *dispatcherv1alpha1.JobExecution) Target {
	return Target{Namespace: execution.Namespace, Template: execution.Spec.JobTemplateName, Execution: execution.Name}
}
