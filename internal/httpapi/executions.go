package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
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

// lookUp returns the execution that a call names, if the caller may do verb to the executions of its template: whose it
// is has to be known before that can be asked.
func (e *executions) lookUp(
	r *http.Request,
	named store.Target,
	verb string,
) (*dispatcherv1alpha1.JobExecution, error) {
	return e.lookUpFor(r, named, access.Right{Verb: verb, Subresource: access.Executions})
}

// lookUpFor is lookUp for any right, of which namespace and template are filled in.
func (e *executions) lookUpFor(
	r *http.Request,
	named store.Target,
	need access.Right,
) (*dispatcherv1alpha1.JobExecution, error) {
	need.Namespace = named.Namespace
	caller, err := e.caller(r)
	if err != nil {
		return nil, err
	}
	found, err := e.store.Get(r.Context(), named.Namespace, named.Execution)
	if problem.Is(err, problem.ExecutionNotFound) && caller.Anonymous() {
		// Nobody knows which template it would be of. Anonymous callers need the right on the whole namespace, or they
		// could try out names.
		if err := caller.Authorize(r.Context(), need); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	recordOf(r).template = found.Spec.JobTemplateName
	need.Template = found.Spec.JobTemplateName
	if err := caller.Authorize(r.Context(), need); err != nil {
		return nil, err
	}
	return found, nil
}

// waiting lets a call wait for some time: its context ends with that time, when its caller hangs up, and when the
// server stops. It is refused where too many wait already. The caller must call release.
func (e *executions) waiting(
	w http.ResponseWriter,
	r *http.Request,
	wait time.Duration,
) (ctx context.Context, release func(), err error) {
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

// refuseBody is for calls that would act on no body: what it asks for would be left undone.
func refuseBody(r *http.Request) error {
	if read, _ := io.ReadFull(r.Body, make([]byte, 1)); r.ContentLength > 0 || read > 0 {
		return problem.New(problem.InvalidRequest, "this call takes no body").WithHeader("Connection", "close")
	}
	return nil
}
