package store

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
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
// Fields in the problem are named by where the template has them.
func (s *Store) TryJob(ctx context.Context, named Target, job *batchv1.Job) (*batchv1.Job, []string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CreateTimeout)
	defer cancel()
	result, err := s.trial.Try(ctx, job)
	switch {
	case err != nil:
		return nil, nil, translate(err, named)
	case result.Refusal != nil:
		return nil, nil, translateTrial(result, named, job)
	}
	return result.Job, result.Warnings, nil
}

// translateTrial is translate for a Job that was refused.
func translateTrial(result trial.Result, named Target, job *batchv1.Job) *problem.Problem {
	status := result.Refusal.ErrStatus
	switch {
	case len(result.Errors) > 0:
		refused := problem.New(
			problem.Invalid,
			"the Job that JobTemplate %q in namespace %q makes of this payload is not valid",
			named.Template,
			named.Namespace,
		)
		for _, err := range result.Errors {
			refused.At(err.Field, err.ErrorBody())
		}
		return refused
	case apierrors.IsAlreadyExists(result.Refusal):
		return problem.New(problem.JobNameConflict, "JobTemplate %q in namespace %q names its Job %q, and there is a Job of "+
			"this name already", named.Template, named.Namespace, job.Name).
			At(render.TemplatePath(job, "metadata.name"), "is the name of a Job that exists")
	case apierrors.IsForbidden(result.Refusal) &&
		!apierrors.HasStatusCause(result.Refusal, corev1.NamespaceTerminatingCause):
		return forbidden(result.Refusal, status, "Dispatcher is not allowed to create Jobs in namespace %q", named.Namespace)
	}
	return translate(result.Refusal, named)
}
