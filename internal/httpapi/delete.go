package httpapi

import (
	"net/http"
)

// delete removes an execution, its Job and its pods, and answers with what the execution was: 200 when it is gone, 202
// when it is being deleted and still has finalizers of others. The Job and the pods go after it, by the
// cluster's own garbage collection.
func (e *executions) delete(w http.ResponseWriter, r *http.Request) error {
	form, execution, err := e.executionToStop(r)
	if err != nil {
		return err
	}
	terminating, err := e.store.Delete(r.Context(), execution.JobExecution)
	switch {
	case err != nil:
		execution.Release()
		return err
	case terminating != nil:
		return e.writeChanged(w, r, form, http.StatusAccepted, execution.Replaced(published(terminating)))
	}
	return e.writeChanged(w, r, form, http.StatusOK, execution)
}
