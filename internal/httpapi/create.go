package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// creator creates executions, and finds out what became of a create that was not answered.
type creator struct {
	apiServer *apiServer
	leftovers *leftovers
}

// create names an execution and stores it. After an error nothing was stored, or it will be deleted.
func (c *creator) create(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (*dispatcherv1alpha1.JobExecution, error) {
	var err error
	for range maxNameAttempts {
		execution.Name = newExecutionName(execution.Spec.JobTemplateName)
		var created *dispatcherv1alpha1.JobExecution
		created, err = c.apiServer.create(ctx, execution)
		taken := apierrors.IsAlreadyExists(err)
		switch {
		case err == nil:
			return created, nil
		case !taken && !ambiguous(err):
			return nil, err
		}
		if found, lookupErr := c.apiServer.get(ctx, execution.Namespace, execution.Name); lookupErr == nil && sameRequest(found, execution) {
			return found, nil
		}
		if !taken {
			c.leftovers.add(execution)
			return nil, err
		}
	}
	return nil, err
}

// sameRequest tells whether found is what a request of ours created, by the id and the time of the request: its name
// alone could be somebody else's.
func sameRequest(found, execution *dispatcherv1alpha1.JobExecution) bool {
	for _, key := range []string{dispatcherv1alpha1.AnnotationRequestID, dispatcherv1alpha1.AnnotationReceivedAt} {
		if found.Annotations[key] != execution.Annotations[key] {
			return false
		}
	}
	return true
}

// ambiguous tells whether the object may have been stored although the create failed. It is certain that it was not
// when the API server refused it, when admission failed, which comes before storage, and when there was no connection.
func ambiguous(err error) bool {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return status.Status().Code >= http.StatusInternalServerError && !failedInAdmission(err) && !tooLargeToStore(err)
	}
	var network *net.OpError
	return !errors.As(err, &network) || network.Op != "dial"
}
