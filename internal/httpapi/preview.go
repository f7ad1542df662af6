package httpapi

import (
	"context"
	"net/http"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/net"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/render"
)

// renderTimeout is the time to render a preview, which meets the renderer's own limits earlier.
const renderTimeout = 4 * time.Second

// preview answers with the Job that an execution would make. It creates nothing: execution and Job are tried at the API
// server, in dry-runs, so that admission and the API server's own rules judge them as they would judge the real ones.
//
// The Job shows the template, so a caller without the right to read that gets the verdict alone: 204 if the call would
// create an execution, else the refusal that the call would get.
func (e *executor) preview(
	w http.ResponseWriter,
	r *http.Request,
	caller *access.Caller,
	named store.Target,
	form mediaType,
) error {
	readTemplate := access.Right{Verb: "get", Namespace: named.Namespace, Template: named.Template}
	mayRead, err := caller.May(r.Context(), readTemplate)
	if err != nil {
		return err
	}
	request, claim, err := e.request(w, r, caller, named)
	if err != nil {
		return err
	}
	defer claim.Release()
	rendering, err := e.memory.forPreview(r)
	if err != nil {
		return err
	}
	defer rendering.Release()
	extendTimeouts(w, store.LookupTimeout+renderTimeout+2*store.CreateTimeout)
	execution, warnings, err := e.store.TryExecution(r.Context(), request)
	if err != nil {
		return err
	}
	if !mayRead {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	template, err := e.store.Template(r.Context(), named.Namespace, named.Template)
	if err != nil {
		return err
	}
	rendered, err := e.render(r.Context(), template, execution)
	if err != nil {
		return err
	}
	job, more, err := e.store.TryJob(r.Context(), named, rendered)
	if err != nil {
		return err
	}
	for _, warning := range append(warnings, more...) {
		if header, err := net.NewWarningHeader(299, "-", warning); err == nil {
			w.Header().Add("Warning", header)
		}
	}
	if size := job.Size(); size > maxJobBytes {
		return problem.New(problem.PayloadTooLarge, "the Job of this payload has %d bytes, and the API server stores at "+
			"most %d", size, maxJobBytes)
	}
	return e.writeObject(w, r, form, previewed(job), rendering)
}

// render renders the Job of an execution. The problem names the fields that do not render, without the template's text.
func (e *executor) render(
	ctx context.Context,
	template *dispatcherv1alpha1.JobTemplate,
	execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renderTimeout)
	defer cancel()
	job, errs := e.renderer.Job(render.WithOrigin(ctx, render.OriginHTTP), template, execution)
	switch {
	case render.Retryable(errs):
		return nil, problem.New(problem.Unavailable, "the template could not be rendered in time: try again later").
			Because(errs.ToAggregate())
	case len(errs) > 0:
		// Admission let it pass a moment ago: the template has changed since.
		refused := store.CannotExecute(template.Namespace, template.Name)
		for _, err := range errs {
			refused.At(err.Field, err.ErrorBody())
		}
		return nil, refused
	}
	return job, nil
}

// previewed is a Job as a preview shows it: with all that the real one would have, except what the API server makes up
// anew for each object. The owner reference keeps its place, without the UID of an execution that does not exist.
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
