package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"k8s.io/apimachinery/pkg/types"

	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/httpapi/watch"
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

// lookUp returns the execution that a call names, if the caller may do verb to the executions of its template.
func (e *executions) lookUp(
	r *http.Request,
	named store.Target,
	verb string,
) (*watch.Copy, error) {
	return e.lookUpFor(r, named, access.Right{Verb: verb, Subresource: access.Executions})
}

// lookUpFor is lookUp for any right, of which namespace, template and execution are filled in.
//
// The right depends on the template of the execution, which has to be read first. But a caller without the right must
// not learn whether the execution exists: the refusal is the same in both cases, and only a caller with the right on
// the whole namespace gets a 404. If the cache has the execution, a caller without the right is refused without a
// request to the API server. An anonymous caller with a right on single templates sees only executions that the cache
// has.
func (e *executions) lookUpFor(
	r *http.Request,
	named store.Target,
	need access.Right,
) (*watch.Copy, error) {
	need.Namespace, need.Execution = named.Namespace, named.Execution
	caller, err := e.caller(r)
	if err != nil {
		return nil, err
	}
	template, cached := e.store.CachedTemplate(r.Context(), named.Namespace, named.Execution)
	if cached || caller.Anonymous() {
		if err := caller.Authorize(r.Context(), need.On(template)); err != nil {
			return nil, err
		}
	}
	key := types.NamespacedName{Namespace: named.Namespace, Name: named.Execution}
	found, err := e.read(r.Context(), r.RemoteAddr, key)
	if problem.Is(err, problem.ExecutionNotFound) {
		if refused := cmp.Or(caller.Authorize(r.Context(), need), refuseBody(r)); refused != nil {
			return nil, refused
		}
	}
	if err != nil {
		return nil, err
	}
	err = cmp.Or(caller.Authorize(r.Context(), need.On(found.Spec.JobTemplateName)), refuseBody(r))
	if err != nil {
		found.Release()
		return nil, err
	}
	recordOf(r).template = found.Spec.JobTemplateName
	return found, nil
}

// executionToStop returns the execution that a request wants to cancel or delete, if its caller may, and the form of
// the answer.
func (e *executions) executionToStop(r *http.Request) (mediaType, *watch.Copy, error) {
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
	execution, err := e.lookUp(r, named, "delete")
	return form, execution, err
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
	placeOf(r).Leave()
	extendTimeouts(w, wait)
	ctx, cancel := context.WithTimeout(ctx, wait)
	return ctx, func() {
		cancel()
		leave()
	}, nil
}

// refuseBody is for calls that take no body: what one asks for would be left undone. It goes by the headers alone, as a
// body may be long in coming.
func refuseBody(r *http.Request) error {
	if r.ContentLength != 0 {
		return problem.New(problem.InvalidRequest, "this call takes no body").WithHeader("Connection", "close")
	}
	return nil
}
