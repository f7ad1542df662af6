package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// This file is the one place that decides which errors are final and which are tried again.

// failure is an error that no retry can mend. It ends the execution.
type failure struct {
	reason  string // One of the reasons in api/v1alpha1.
	message string // What happened, and what to do next.
}

func (f *failure) Error() string { return f.reason + ": " + f.message }

// obstacle is an error that somebody may remove. The execution waits, and is tried again at growing intervals.
type obstacle struct {
	reason  string
	message string
	cause   error
}

func (o *obstacle) Error() string { return fmt.Sprintf("%s: %v", o.reason, o.cause) }
func (o *obstacle) Unwrap() error { return o.cause }

// errNamespaceTerminating says that nothing can be created any more, and that the execution will be deleted soon.
var errNamespaceTerminating = errors.New("the namespace is being deleted")

// judge returns the status that the execution has after a look at its Job, or after the error of ensuring it, and the
// error to try again with.
func (r *reconciler) judge(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, err error) (*dispatcherv1alpha1.JobExecutionStatus, error) {
	var final *failure
	var waits *obstacle
	status := execution.Status
	switch {
	case err == nil:
		if derived := deriveStatus(execution, job, r.reportOn(ctx, execution, job)); isNews(execution, derived) {
			status = derived
		}
	case errors.As(err, &final):
		return new(failedStatus(execution, job, final, r.clock.Now())), nil
	case errors.As(err, &waits):
		status = waitingStatus(execution, waits, r.clock.Now())
	}
	return &status, err
}

// isNews says whether a status is worth a write. The creation of the execution and of its Job says already that it waits
// for its first pod.
func isNews(execution *dispatcherv1alpha1.JobExecution, status dispatcherv1alpha1.JobExecutionStatus) bool {
	return execution.Status.ObservedGeneration != 0 || summaryOf(status.Conditions).Reason != dispatcherv1alpha1.ReasonWaiting
}

// isRefusal says whether the API server answered a Create with a verdict on the object, and not with trouble of its own.
func isRefusal(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsForbidden(err) || isInvalid(err)
}

func isInvalid(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || isTooLarge(err)
}

// isTooLarge says whether the Job is too large to be stored, about 1.5 MiB. Only a request that is too large has a
// reason of its own. What etcd refuses comes back in one of two disguises: as an internal error with etcd's text, or, when
// the API server tries again without managed fields, as a Job that is invalid since its first try has labelled it.
func isTooLarge(err error) bool {
	if apierrors.IsRequestEntityTooLargeError(err) || strings.Contains(err.Error(), "etcdserver: request is too large") {
		return true
	}
	const label = "spec.template.metadata.labels[" + batchv1.ControllerUidLabel + "]"
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(cause metav1.StatusCause) bool { return cause.Field == label })
}

// isNamespaceTerminating tells a namespace that is going, or gone, from every other refusal.
func isNamespaceTerminating(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err)
}

// refused is the verdict on an execution whose Job the API server refuses for another reason than its name.
func refused(execution *dispatcherv1alpha1.JobExecution, err error) error {
	switch {
	case isTooLarge(err):
		return &failure{
			reason: dispatcherv1alpha1.ReasonJobInvalid,
			message: fmt.Sprintf("the rendered Job is larger than the API server can store; send a smaller payload, or let JobTemplate %s repeat it less often, then create another JobExecution",
				execution.Spec.JobTemplateName),
		}
	case isInvalid(err):
		return &failure{
			reason: dispatcherv1alpha1.ReasonJobInvalid,
			message: fmt.Sprintf("the API server refused the rendered Job: %s; correct JobTemplate %s or the payload, then create another JobExecution",
				bounded(err.Error()), execution.Spec.JobTemplateName),
		}
	}
	return &obstacle{
		reason:  dispatcherv1alpha1.ReasonJobForbidden,
		message: fmt.Sprintf("the API server does not let the Job be created now: %s; it is tried again until that is changed or this JobExecution is deleted", bounded(err.Error())),
		cause:   err,
	}
}

// nameTaken is the verdict on an execution whose Job's name belongs to another Job. The Job of an earlier execution of
// the same name, or one that is being deleted, makes room by itself.
func nameTaken(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) error {
	owner := metav1.GetControllerOf(job)
	leftover := owner != nil && isExecution(owner) && owner.Name == execution.Name
	if leftover || !job.DeletionTimestamp.IsZero() {
		return &obstacle{
			reason:  dispatcherv1alpha1.ReasonWaiting,
			message: fmt.Sprintf("waiting for an earlier Job %s to be removed", job.Name),
			cause:   errors.New("its name is still taken"),
		}
	}
	belongs := "belongs to nothing"
	if owner != nil {
		belongs = fmt.Sprintf("belongs to %s %s", owner.Kind, owner.Name)
	}
	return &failure{
		reason: dispatcherv1alpha1.ReasonJobNameConflict,
		message: fmt.Sprintf("a Job %s exists already and %s; delete it, or let JobTemplate %s give each Job a name of its own, then create another JobExecution",
			job.Name, belongs, execution.Spec.JobTemplateName),
	}
}

func templateNotFound(execution *dispatcherv1alpha1.JobExecution) error {
	return &failure{
		reason:  dispatcherv1alpha1.ReasonJobTemplateNotFound,
		message: fmt.Sprintf("JobTemplate %s does not exist any more; create it, then create another JobExecution", execution.Spec.JobTemplateName),
	}
}

// notRendered is the verdict on an execution whose Job does not render. A render that was stopped by the clock says
// nothing about the template: the machine was too slow, and may be faster next time.
func notRendered(template *dispatcherv1alpha1.JobTemplate, errs field.ErrorList) error {
	if render.Retryable(errs) {
		return &obstacle{
			reason:  dispatcherv1alpha1.ReasonWaiting,
			message: fmt.Sprintf("rendering JobTemplate %s was stopped, and is tried again: %s", template.Name, bounded(listed(errs))),
			cause:   errs.ToAggregate(),
		}
	}
	return &failure{
		reason: dispatcherv1alpha1.ReasonRenderFailed,
		message: fmt.Sprintf("JobTemplate %s (generation %d) does not render with this payload: %s; correct it or the payload, then create another JobExecution",
			template.Name, template.Generation, bounded(listed(errs))),
	}
}

func jobDeleted(execution *dispatcherv1alpha1.JobExecution, job string) error {
	return &failure{reason: dispatcherv1alpha1.ReasonJobDeleted, message: jobDeletedMessage(execution, job)}
}

func listed(errs field.ErrorList) string {
	texts := make([]string, 0, len(errs))
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// maxDetail bounds, in bytes, what a message repeats of somebody else's text. With our own words around it a message
// then fits the note of an event, which holds 1024 bytes.
const maxDetail = 600

func bounded(text string) string {
	if short := cut(text, maxDetail); short != text {
		return short + "..."
	}
	return text
}
