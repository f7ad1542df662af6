package store

import (
	"context"
	"errors"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/render"
)

// TryExecution asks the API server what would become of an execution, and what it warns of. Nothing is stored.
func (s *Store) TryExecution(ctx context.Context, request Request) (*dispatcherv1alpha1.JobExecution, []net.WarningHeader, error) {
	execution := request.execution()
	execution.Name = newName(request.Template)
	tried := &dispatcherv1alpha1.JobExecution{}
	warnings, err := try(ctx, executions(s.dispatcher.Post(), execution.Namespace).Body(execution), tried)
	if err != nil {
		return nil, nil, translate(err, targetOf(execution))
	}
	return tried, warnings, nil
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=create

// TryJob asks the API server what would become of the Job of a template, and what it warns of. Nothing is stored.
func (s *Store) TryJob(ctx context.Context, named Target, job *batchv1.Job) (*batchv1.Job, []net.WarningHeader, error) {
	tried := &batchv1.Job{}
	warnings, err := try(ctx, about(s.batch.Post(), "jobs", job.Namespace).Body(job), tried)
	if err != nil {
		return nil, nil, translateJob(err, named, job)
	}
	return tried, warnings, nil
}

// try sends a create as a dry-run. It does not end with ctx, but soon.
func try(ctx context.Context, create *rest.Request, into runtime.Object) ([]net.WarningHeader, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CreateTimeout)
	defer cancel()
	result := create.Param("dryRun", metav1.DryRunAll).
		Param("timeout", apiServerDeadline.String()).
		Param("fieldManager", fieldManager).Do(ctx)
	return result.Warnings(), result.Into(into)
}

// translateJob is translate for the Job of a preview. Fields are named by where the template has them.
func translateJob(err error, named Target, job *batchv1.Job) *problem.Problem {
	status := metav1.Status{}
	if answered := apierrors.APIStatus(nil); errors.As(err, &answered) {
		status = answered.Status()
	}
	switch {
	case apierrors.IsInvalid(err):
		refused := problem.New(problem.Invalid, "the Job that JobTemplate %q in namespace %q makes of this payload is not valid",
			named.Template, named.Namespace)
		if status.Details == nil || len(status.Details.Causes) == 0 {
			refused.Detail = status.Message
			return refused
		}
		for _, cause := range status.Details.Causes {
			refused.At(render.TemplatePath(cause.Field), cause.Message)
		}
		return refused
	case apierrors.IsAlreadyExists(err):
		return problem.New(problem.JobNameConflict, "JobTemplate %q in namespace %q names its Job %q, and there is a Job of this name already",
			named.Template, named.Namespace, job.Name).
			At(render.TemplatePath("metadata.name"), "is the name of a Job that exists")
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return forbidden(err, status, "Dispatcher is not allowed to create Jobs in namespace %q", named.Namespace)
	}
	return translate(err, named)
}
