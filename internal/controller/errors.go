package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/refusal"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

// This file is the one place that decides which errors are terminal and which are retried.

// terminalError is an error that no retry can cure. It finishes the execution.
type terminalError struct {
	reason  string // One of the reasons in api/v1alpha1.
	message string // What happened, and what to do next.
}

func (e *terminalError) Error() string { return e.reason + ": " + e.message }

// retryableError is an error whose cause may go away. The execution waits and is retried at growing intervals.
type retryableError struct {
	reason  string
	message string
	cause   error
	since   time.Time // Since when the execution has waited.

	// execution is the UID of the execution if nothing but time can cure the error. It is empty if an event may tell
	// that the cause has gone.
	execution types.UID
}

func (e *retryableError) Error() string { return fmt.Sprintf("%s: %v", e.reason, e.cause) }
func (e *retryableError) Unwrap() error { return e.cause }

// errNamespaceTerminating says that nothing can be created in the namespace, and that the execution will be deleted
// soon.
var errNamespaceTerminating = errors.New("the namespace is being deleted")

// errContended says that the API server refused a write because of another write, of which no watch event tells. A
// retry succeeds.
var errContended = errors.New("another write came first")

// errOutdated says that an object has changed or is gone since it was read. Mostly the watch event of that change
// enqueues the execution again.
var errOutdated = errors.New("the object has changed since it was read")

// errReplaced says that this process has written the status since the execution was read. Mostly a watch event will
// enqueue it again; where etcd was restored from a snapshot, none does.
var errReplaced = errors.New("this process has written its status since it was read")

// nextStatus returns the status that follows from the Job, or from the error of ensureJob. An error that comes with it
// is left to nextStep.
func (r *reconciler) nextStatus(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, err error,
) (*dispatcherv1alpha1.JobExecutionStatus, ctrl.Result, error) {
	var terminal *terminalError
	var retryable *retryableError
	var failing *failingError
	status, result := execution.Status, ctrl.Result{}
	switch {
	case err == nil:
		return r.statusOfJob(ctx, execution, job)
	case errors.As(err, &terminal):
		status, err = failedStatus(execution, job, terminal, r.clock.Now()), nil
	case errors.As(err, &retryable):
		status = waitingStatus(execution, retryable, r.clock.Now())
		waiting := meta.FindStatusCondition(status.Conditions, dispatcherv1alpha1.ConditionWaiting)
		retryable.since = waiting.LastTransitionTime.Time
	case errors.As(err, &failing):
		status = failingStatus(execution, failing, r.clock.Now())
	}
	if err != nil && job == nil {
		result.RequeueAfter = r.untilStartDeadline(ctx, execution)
	}
	return &status, result, err
}

// statusOfJob returns the status that follows from the Job, and when the execution is to be looked at again.
func (r *reconciler) statusOfJob(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job,
) (*dispatcherv1alpha1.JobExecutionStatus, ctrl.Result, error) {
	pods := r.summarizePods(ctx, execution, job)
	next := r.explainPods(ctx, execution, job, &pods)
	status := deriveStatus(execution, job, pods)
	left, exceeded, err := r.enforceStartDeadline(ctx, execution, job, &status)
	if err != nil {
		return &execution.Status, ctrl.Result{}, err
	}
	result := ctrl.Result{RequeueAfter: earliest(next, left)}
	if delay := r.firstStatusDelay(execution, job, &status); delay > 0 && !exceeded {
		// Behind everything else: under overload, Running is then mostly the first status after all.
		result = ctrl.Result{RequeueAfter: earliest(delay, result.RequeueAfter), Priority: new(handler.LowPriority)}
		return &execution.Status, result, nil
	}
	return &status, result, nil
}

// earliest returns the shorter of two times that are not zero.
func earliest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// createRefused returns the error for a Job that the API server refuses for another reason than its name.
func createRefused(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job, err error) error {
	switch {
	case refusal.ByPolicy(err):
		// A policy may change.
	case refusal.TooLarge(err):
		return &terminalError{
			reason: dispatcherv1alpha1.ReasonJobInvalid,
			message: fmt.Sprintf(
				"the rendered Job is larger than the API server can store; use the payload less often in "+
					"JobTemplate %s or send a smaller one, then create another JobExecution",
				execution.Spec.JobTemplateName,
			),
		}
	case isInvalid(err):
		return &terminalError{
			reason: dispatcherv1alpha1.ReasonJobInvalid,
			message: fmt.Sprintf(
				"the API server refused the rendered Job: %s; correct JobTemplate %s or the payload, then "+
					"create another JobExecution",
				truncated(whyInvalid(job, err)),
				execution.Spec.JobTemplateName,
			),
		}
	}
	return &retryableError{
		reason: dispatcherv1alpha1.ReasonJobForbidden,
		message: fmt.Sprintf(
			"the API server refuses to create the Job: %s; it is retried at growing intervals of up to 5 "+
				"minutes, until the cause is removed or this JobExecution is canceled",
			truncated(err.Error()),
		),
		cause:     err,
		execution: execution.UID,
	}
}

// whyInvalid says why the API server refuses a Job, by the fields of its template and without the values: these may be
// of the payload or the template, which not everybody may see who sees the status or the event.
func whyInvalid(job *batchv1.Job, err error) string {
	if errs := trial.ErrorsForCallers(job, err); len(errs) > 0 {
		return joined(errs)
	}
	return err.Error()
}

// nameConflict returns the error for a Job whose name another Job has. The Job of an earlier execution of the same name
// is going to be deleted, and so is one that is being deleted already: then a retry can succeed.
func nameConflict(execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job) error {
	owner := metav1.GetControllerOf(job)
	ofEarlierExecution := owner != nil && isExecution(owner) && owner.Name == execution.Name
	if ofEarlierExecution || !job.DeletionTimestamp.IsZero() {
		return &retryableError{
			reason:  dispatcherv1alpha1.ReasonWaiting,
			message: fmt.Sprintf("waiting for an earlier Job %s to be deleted", job.Name),
			cause:   errors.New("its name is still taken"),
		}
	}
	belongs := "belongs to nothing"
	if owner != nil {
		belongs = "belongs to " + truncated(owner.Kind+" "+owner.Name)
	}
	return &terminalError{
		reason: dispatcherv1alpha1.ReasonJobNameConflict,
		message: fmt.Sprintf(
			"a Job %s already exists and %s; delete it, or change JobTemplate %s so that each Job has its own "+
				"name, then create another JobExecution",
			job.Name,
			belongs,
			execution.Spec.JobTemplateName,
		),
	}
}

func templateNotFound(execution *dispatcherv1alpha1.JobExecution) error {
	return &terminalError{
		reason: dispatcherv1alpha1.ReasonJobTemplateNotFound,
		message: fmt.Sprintf(
			"JobTemplate %s no longer exists; create it, then create another JobExecution",
			execution.Spec.JobTemplateName,
		),
	}
}

// renderFailed returns the error for a Job that does not render. If the render timed out, it is retried: the machine
// may have been too slow.
func renderFailed(template *dispatcherv1alpha1.JobTemplate, errs field.ErrorList) error {
	if render.Retryable(errs) {
		return &retryableError{
			reason: dispatcherv1alpha1.ReasonWaiting,
			message: fmt.Sprintf(
				"JobTemplate %s was not rendered yet, and is retried: %s",
				template.Name,
				truncated(joined(errs)),
			),
			cause: errs.ToAggregate(),
		}
	}
	return &terminalError{
		reason: dispatcherv1alpha1.ReasonRenderFailed,
		message: fmt.Sprintf(
			"JobTemplate %s (generation %d) does not render with this payload: %s; correct it or the payload, "+
				"then create another JobExecution",
			template.Name,
			template.Generation,
			truncated(joined(errs)),
		),
	}
}

func jobDeleted(execution *dispatcherv1alpha1.JobExecution, job string) error {
	return &terminalError{reason: dispatcherv1alpha1.ReasonJobDeleted, message: jobDeletedMessage(execution, job)}
}

func joined(errs field.ErrorList) string {
	texts := make([]string, 0, len(errs))
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// maxDetail bounds, in bytes, the text that a message quotes from elsewhere. The whole message then fits the note of an
// event, at most 1024 bytes.
const maxDetail = 600

func truncated(text string) string {
	if short := truncateAt(text, maxDetail); short != text {
		return short + "..."
	}
	return text
}
