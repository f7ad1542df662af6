package store

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/refusal"
	"dispatcher.ivan.vc/internal/render"
)

// TryExecution asks the API server what would become of the execution that a call asks for, and what it warns of.
// Nothing is stored.
func (s *Store) TryExecution(ctx context.Context, request Request) (*dispatcherv1alpha1.JobExecution, []string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CreateTimeout)
	defer cancel()
	execution := request.execution()
	rule := s.names.of(s.kept(ctx, request.Namespace, request.Template), render.SafeName())
	execution.Name = newName(request.Template, rule)
	tried := &dispatcherv1alpha1.JobExecution{}
	result := executions(s.dispatcher.Post(), execution.Namespace).
		Param("dryRun", metav1.DryRunAll).
		Param("timeout", apiServerDeadline.String()).
		Param("fieldManager", fieldManager).
		Body(execution).Do(ctx)
	if err := result.Into(tried); err != nil {
		return nil, nil, translate(err, targetOf(execution))
	}
	var warnings []string
	for _, warning := range result.Warnings() {
		warnings = append(warnings, warning.Text)
	}
	return tried, warnings, nil
}

// TryJob asks the API server what would become of the Job of a template, and what it warns of. Nothing is stored.
// Fields in the problem are named by where the template has them. A Job that would be refused now, and need not be
// refused later, comes back as it was rendered: its execution would be accepted, and would wait.
func (s *Store) TryJob(ctx context.Context, named Target, job *batchv1.Job) (*batchv1.Job, []string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CreateTimeout)
	defer cancel()
	result, err := s.trial.Try(ctx, job)
	switch {
	case err != nil:
		return nil, nil, translate(err, named)
	case result.Refusal == nil:
		return result.Job, result.Warnings, nil
	case refusal.TooLarge(result.Refusal), apierrors.HasStatusCause(result.Refusal, corev1.NamespaceTerminatingCause):
		return nil, nil, translate(result.Refusal, named)
	case len(result.Errors) > 0 && !refusal.ByPolicy(result.Refusal):
		refused := CannotExecute(named.Namespace, named.Template)
		for _, err := range result.Errors {
			refused.At(err.Field, err.ErrorBody())
		}
		return nil, nil, refused
	}
	return job, []string{"the Job would not be created now: " + notNow(result.Refusal, named, job)}, nil
}

// notNow says why the API server would not create a Job that is valid.
func notNow(refused *apierrors.StatusError, named Target, job *batchv1.Job) string {
	if apierrors.IsAlreadyExists(refused) && !refusal.ByPolicy(refused) {
		return fmt.Sprintf("there is a Job %q already, and an execution whose Job cannot have its name fails", job.Name)
	}
	const noRight = "Dispatcher is not allowed to create Jobs in namespace %q"
	return forbidden(refused, refused.ErrStatus, noRight, named.Namespace).Detail
}
