package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// executions handles the calls about executions that exist. Each has a file of its own.
type executions struct {
	dependencies
	options Options
}

func (e *executions) register(router *mux.Router) {
	router.Handle("/executions/{namespace}", methods{http.MethodGet: e.list})
	router.Handle("/executions/{namespace}/{name}", methods{http.MethodGet: e.get, http.MethodDelete: e.delete})
	router.Handle("/executions/{namespace}/{name}/cancel", methods{http.MethodPost: e.cancel})
	router.Handle("/executions/{namespace}/{name}/logs", methods{http.MethodGet: e.logs})
	router.Handle("/executions/{namespace}/{name}/events", methods{http.MethodGet: e.events})
}

// lookUp returns the execution that a call names, if the caller may do verb to the executions of its template: whose it is
// has to be known before that can be asked.
func (e *executions) lookUp(r *http.Request, named target, verb string) (*dispatcherv1alpha1.JobExecution, error) {
	return e.lookUpFor(r, named, right{verb: verb, subresource: subresourceExecutions})
}

// lookUpFor is lookUp for any right, of which namespace and template are filled in.
func (e *executions) lookUpFor(r *http.Request, named target, need right) (*dispatcherv1alpha1.JobExecution, error) {
	need.namespace = named.namespace
	// A caller that hangs up would look like an API server that is away. The call is short.
	found, err := e.apiServer.get(context.WithoutCancel(r.Context()), named.namespace, named.execution)
	if apierrors.IsNotFound(err) {
		if refused := e.access.authorizeAbsent(r, need); refused != nil {
			return nil, refused
		}
	}
	if err != nil {
		return nil, translateCall(err, named)
	}
	recordOf(r).template = found.Spec.JobTemplateName
	need.template = found.Spec.JobTemplateName
	if err := e.access.authorize(r, need); err != nil {
		return nil, err
	}
	return found, nil
}

// waiting lets a call wait for some time: its context ends with that time, when its caller hangs up, and when the server
// stops. It is refused where too many wait already. The caller must call release.
func (e *executions) waiting(w http.ResponseWriter, r *http.Request, wait time.Duration) (ctx context.Context, release func(), err error) {
	ctx, leave, err := e.waiters.acquire(r)
	if err != nil {
		return nil, nil, err
	}
	extendTimeouts(w, wait)
	ctx, cancel := context.WithTimeout(ctx, wait)
	return ctx, func() {
		cancel()
		leave()
	}, nil
}

// locationOf is the path of an execution in this API.
func locationOf(execution *dispatcherv1alpha1.JobExecution) string {
	return "/executions/" + execution.Namespace + "/" + execution.Name
}

// refuseBody is for calls that would act on no body: what it asks for would be left undone.
func refuseBody(r *http.Request) error {
	if read, _ := io.ReadFull(r.Body, make([]byte, 1)); r.ContentLength > 0 || read > 0 {
		return refuse(reasonInvalidRequest, "this call takes no body").with("Connection", "close")
	}
	return nil
}
