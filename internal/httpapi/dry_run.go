package httpapi

import (
	"context"
	"errors"
	"net/http"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// dryRunOf tells whether a request asks for a preview. A parameter that is not known is refused and not skipped, since a
// preview must not run.
func dryRunOf(r *http.Request) (bool, error) {
	query, err := queryOf(r, "dryRun")
	if err != nil {
		return false, err
	}
	value, asked := query["dryRun"]
	if asked && value != metav1.DryRunAll {
		return false, refuseParameter("dryRun", "must be "+metav1.DryRunAll)
	}
	return asked, nil
}

// preview answers with the Job that an execution would make. It creates nothing: execution and Job are tried at the API
// server, in dry-runs, so that admission and the API server's own rules judge them as they would judge the real ones.
func (e *executor) preview(w http.ResponseWriter, r *http.Request, execution *dispatcherv1alpha1.JobExecution, form mediaType) error {
	// A caller that hangs up would look like an API server that is away.
	ctx := context.WithoutCancel(r.Context())
	extendTimeouts(w, lookupTimeout+renderTimeout+2*createTimeout)
	named := target{namespace: execution.Namespace, template: execution.Spec.JobTemplateName}
	execution.Name = newExecutionName(named.template)
	tried, warnings, err := e.apiServer.tryExecution(ctx, execution)
	if err != nil {
		return translate(err, named)
	}
	rendered, err := e.render(ctx, named, tried)
	if err != nil {
		return err
	}
	job, more, err := e.apiServer.tryJob(ctx, rendered)
	if err != nil {
		return translateJob(err, named, rendered)
	}
	for _, warning := range append(warnings, more...) {
		if header, err := net.NewWarningHeader(warning.Code, warning.Agent, warning.Text); err == nil {
			w.Header().Add("Warning", header)
		}
	}
	return writeObject(w, form, http.StatusOK, previewed(job))
}

// render renders the Job of an execution from its template as the API server has it now.
func (e *executor) render(ctx context.Context, named target, execution *dispatcherv1alpha1.JobExecution) (*batchv1.Job, error) {
	template, err := e.apiServer.getTemplate(ctx, named.namespace, named.template)
	if err != nil {
		return nil, translateCall(err, named)
	}
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	var job *batchv1.Job
	program, errs := e.programs.Program(template)
	if len(errs) == 0 {
		job, errs = render.Job(ctx, program, template, execution)
	}
	switch {
	case render.Retryable(errs):
		return nil, refuse(reasonUnavailable, "the template could not be rendered in time: try again later").
			retryAfter(0, retryAfterUnavailable).because(errs.ToAggregate())
	case len(errs) > 0:
		// Admission let it pass a moment ago: the template has changed since.
		return nil, notRendered(errs, named)
	}
	return job, nil
}

// notRendered names the fields that do not render. The text of the template is left out, as admission leaves it out.
func notRendered(errs field.ErrorList, named target) *refusal {
	refused := cannotExecute(named)
	for _, err := range errs {
		told := *err
		told.BadValue = field.OmitValueType{}
		refused.at(err.Field, told.ErrorBody())
	}
	return refused
}

// translateJob is translate for the Job of a preview. Fields are named by where the template has them.
func translateJob(err error, named target, job *batchv1.Job) *refusal {
	status := metav1.Status{}
	if answered := apierrors.APIStatus(nil); errors.As(err, &answered) {
		status = answered.Status()
	}
	switch {
	case apierrors.IsInvalid(err):
		refused := refuse(reasonInvalid, "the Job that JobTemplate %q in namespace %q makes of this payload is not valid", named.template, named.namespace)
		if status.Details == nil || len(status.Details.Causes) == 0 {
			refused.detail = status.Message
			return refused
		}
		for _, cause := range status.Details.Causes {
			refused.at(render.TemplatePath(cause.Field), cause.Message)
		}
		return refused
	case apierrors.IsAlreadyExists(err):
		refused := refuse(reasonJobNameConflict, "JobTemplate %q in namespace %q names its Job %q, and there is a Job of this name already",
			named.template, named.namespace, job.Name)
		refused.at(render.TemplatePath("metadata.name"), "is the name of a Job that exists")
		return refused
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return forbidden(err, status, "Dispatcher is not allowed to create Jobs in namespace %q", named.namespace)
	}
	return translate(err, named)
}

// previewed is a Job as a preview shows it: with all that the real one would have, but for what the API server makes up
// anew for each object. The owner reference keeps its place, without the UID of an execution that there is not.
func previewed(job *batchv1.Job) *batchv1.Job {
	job.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	job.UID, job.CreationTimestamp, job.ManagedFields = "", metav1.Time{}, nil
	for i := range job.OwnerReferences {
		job.OwnerReferences[i].UID = ""
	}
	if job.Spec.ManualSelector == nil || !*job.Spec.ManualSelector {
		job.Spec.Selector = nil
		delete(job.Spec.Template.Labels, batchv1.ControllerUidLabel)
		delete(job.Spec.Template.Labels, "controller-uid") // its name before batch.kubernetes.io
	}
	return job
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=create

// tryExecution asks the API server what would become of an execution, and what it warns of.
func (s *apiServer) tryExecution(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (*dispatcherv1alpha1.JobExecution, []net.WarningHeader, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	tried := &dispatcherv1alpha1.JobExecution{}
	result := s.request(s.client.Post(), execution.Namespace).
		Param("dryRun", metav1.DryRunAll).Param("timeout", apiServerDeadline.String()).Param("fieldManager", fieldManager).
		Body(execution).Do(ctx)
	return tried, result.Warnings(), result.Into(tried)
}

// tryJob asks the API server what would become of a Job, and what it warns of.
func (s *apiServer) tryJob(ctx context.Context, job *batchv1.Job) (*batchv1.Job, []net.WarningHeader, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	tried := &batchv1.Job{}
	result := s.requestFor(s.jobs.Post(), "jobs", job.Namespace).
		Param("dryRun", metav1.DryRunAll).Param("timeout", apiServerDeadline.String()).Param("fieldManager", fieldManager).
		Body(job).Do(ctx)
	return tried, result.Warnings(), result.Into(tried)
}
