package httpapi

import (
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// cancel stops an execution that has not finished, and keeps it as the record. It answers 200 when the execution has
// ended as canceled, now or before, and 202 when it was told to and its end did not come within cancelWait. An
// execution that ended otherwise is a 409, even if it did so while it was being canceled.
func (e *executions) cancel(w http.ResponseWriter, r *http.Request) error {
	form, execution, err := e.executionToStop(r)
	if err != nil {
		return err
	}
	if !execution.IsFinished() {
		if execution, err = e.stop(w, r, execution); err != nil {
			return err
		}
	}
	end := execution.Summary()
	switch {
	case !execution.IsFinished():
		w.Header().Set("Location", locationOf(execution))
		return writeObject(w, form, http.StatusAccepted, published(execution))
	case end.Reason != dispatcherv1alpha1.ReasonCanceled:
		return problem.New(
			problem.AlreadyFinished,
			"the execution has finished already, with Succeeded=%s and the reason %s: %s",
			end.Status,
			end.Reason,
			end.Message,
		)
	}
	return writeObject(w, form, http.StatusOK, published(execution))
}

// stop has an execution canceled and waits a moment for its end. It returns the execution as it is then. Once the API
// server has taken the change, nothing may be answered that reads as if it had not.
func (e *executions) stop(
	w http.ResponseWriter,
	r *http.Request,
	execution *dispatcherv1alpha1.JobExecution,
) (*dispatcherv1alpha1.JobExecution, error) {
	if !execution.Spec.Canceled {
		canceled, err := e.store.Cancel(r.Context(), execution)
		if err != nil {
			return nil, err
		}
		execution = canceled
	}
	ctx, release, err := e.waiting(w, r, cancelWait)
	if err != nil {
		return execution, nil // Too many wait already: this caller is told at once what there is to tell.
	}
	defer release()
	ended, err := e.watcher.finished(
		ctx,
		e.store,
		types.NamespacedName{Namespace: execution.Namespace, Name: execution.Name},
	)
	switch {
	case problem.Is(err, problem.ExecutionNotFound), err == nil && ended.UID != execution.UID:
		return nil, store.NotFound(execution)
	case err != nil:
		recordOf(r).err = err
		return execution, nil
	}
	return ended, nil
}
