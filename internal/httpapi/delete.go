package httpapi

import (
	"context"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// delete removes an execution, its Job and its pods, and answers with what the execution was: 200 when it is gone, 202
// when it is being deleted and something else still holds it by a finalizer. The Job and the pods go after it, by the
// cluster's own garbage collection.
func (e *executions) delete(w http.ResponseWriter, r *http.Request) error {
	named, form, execution, err := e.lookUpToEnd(r)
	if err != nil {
		return err
	}
	// Whoever asked for it may hang up without leaving it half done.
	held, err := e.apiServer.delete(context.WithoutCancel(r.Context()), execution)
	switch {
	case apierrors.IsConflict(err):
		// It was deleted meanwhile, and another has its name.
		return absent(named)
	case err != nil:
		return translateCall(err, named)
	case held != nil:
		return writeObject(w, form, http.StatusAccepted, published(held))
	}
	return writeObject(w, form, http.StatusOK, published(execution))
}

// lookUpToEnd returns the execution that a request wants to cancel or delete, if its caller may, and the form of the answer.
func (e *executions) lookUpToEnd(r *http.Request) (target, mediaType, *dispatcherv1alpha1.JobExecution, error) {
	named, err := executionOf(r)
	if err != nil {
		return target{}, "", nil, err
	}
	form, err := negotiate(r, objectTypes...)
	if err != nil {
		return target{}, "", nil, err
	}
	if _, err := queryOf(r); err != nil {
		return target{}, "", nil, err
	}
	if err := refuseBody(r); err != nil {
		return target{}, "", nil, err
	}
	execution, err := e.lookUp(r, named, "delete")
	return named, form, execution, err
}
