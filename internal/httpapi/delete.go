package httpapi

import (
	"net/http"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// delete removes an execution, its Job and its pods, and answers with what the execution was: 200 when it is gone, 202
// when it is being deleted and still has finalizers of others. The Job and the pods go after it, by the
// cluster's own garbage collection.
func (e *executions) delete(w http.ResponseWriter, r *http.Request) error {
	form, execution, err := e.executionToStop(r)
	if err != nil {
		return err
	}
	terminating, err := e.store.Delete(r.Context(), execution)
	switch {
	case err != nil:
		return err
	case terminating != nil:
		return writeObject(w, form, http.StatusAccepted, published(terminating))
	}
	return writeObject(w, form, http.StatusOK, published(execution))
}

// executionToStop returns the execution that a request wants to cancel or delete, if its caller may, and the form of
// the answer.
func (e *executions) executionToStop(r *http.Request) (mediaType, *dispatcherv1alpha1.JobExecution, error) {
	named, err := executionOf(r)
	if err != nil {
		return "", nil, err
	}
	form, err := negotiate(r, objectTypes...)
	if err != nil {
		return "", nil, err
	}
	if _, err := queryOf(r); err != nil {
		return "", nil, err
	}
	if err := refuseBody(r); err != nil {
		return "", nil, err
	}
	execution, err := e.lookUp(r, named, "delete")
	return form, execution, err
}
