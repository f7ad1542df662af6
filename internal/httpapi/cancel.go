package httpapi

import (
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/watch"
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
		w.Header().Set("Location", locationOf(execution.JobExecution))
		return e.writeChanged(w, r, form, http.StatusAccepted, execution)
	case end.Reason != dispatcherv1alpha1.ReasonCanceled:
		execution.Release()
		return problem.New(problem.AlreadyFinished,
			"the execution has finished already, with Succeeded=%s and the reason %s: %s", end.Status, end.Reason, end.Message)
	}
	return e.writeChanged(w, r, form, http.StatusOK, execution)
}

// stop has an execution canceled and waits a moment for its end. It releases the execution, and returns it as it is
// then. Once the API server has taken the change, nothing may be answered that reads as if it had not.
func (e *executions) stop(w http.ResponseWriter, r *http.Request, execution *watch.Copy) (*watch.Copy, error) {
	key := types.NamespacedName{Namespace: execution.Namespace, Name: execution.Name}
	subscription := e.watcher.Subscribe(key, r.RemoteAddr)
	defer subscription.Close()
	canceled := execution.JobExecution
	if !execution.Spec.Canceled {
		var err error
		if canceled, err = e.store.Cancel(r.Context(), execution.JobExecution); err != nil {
			execution.Release()
			return nil, err
		}
	}
	ctx, release, err := e.waiting(w, r, cancelWait)
	if err != nil {
		// Too many wait already: this caller is told at once what there is to tell.
		return execution.Replaced(published(canceled)), nil
	}
	defer release()
	canceled = watch.WithoutPayload(published(canceled))
	execution.Release()
	ended, err := subscription.Look(ctx, canceled)
	if err == nil {
		ended, err = subscription.AwaitFrom(ctx, ended, (*dispatcherv1alpha1.JobExecution).IsFinished)
	}
	switch {
	case ended != nil:
		return ended, nil
	case problem.Is(err, problem.ExecutionNotFound):
		return nil, err
	}
	recordOf(r).err = err
	return watch.NewCopy(canceled, nil), nil
}
