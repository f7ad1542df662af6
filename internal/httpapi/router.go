package httpapi

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// routes registers the paths that it handles, each beside its handler.
type routes interface {
	register(router *mux.Router)
}

// newRouter returns a router over groups of routes. Paths are matched as they were sent: cleaning them would answer
// with a redirect, and most clients follow that with a GET.
func newRouter(groups ...routes) *mux.Router {
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	router.NotFoundHandler = handler(func(_ http.ResponseWriter, _ *http.Request) error {
		return problem.New(
			problem.NotFound,
			"this API has no such path; to execute a JobTemplate, PUT to /execute/{namespace}/{template}",
		)
	})
	router.Use(recordRoute)
	for _, group := range groups {
		group.register(router)
	}
	return router
}

// handler is an HTTP handler that returns its problem, so that problems are written in one place.
type handler func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP calls the handler and writes the problem that it returns. Any other error is a fault of ours.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h(w, r)
	if err == nil {
		return
	}
	var refused *problem.Problem
	if !errors.As(err, &refused) {
		refused = problem.Internal(err)
	}
	rec := recordOf(r)
	rec.err = refused
	expectReader(w, 0)
	problem.Write(w, rec.requestID, refused)
}

// methods is a path's handlers by method. It answers OPTIONS, HEAD where there is a GET, and every other method with a
// 405 that says which do.
// The router's own method matching is not used, since it knows no Allow header.
type methods map[string]handler

// ServeHTTP implements http.Handler.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	get, readable := m[http.MethodGet]
	if h, ok := m[r.Method]; ok {
		h.ServeHTTP(w, r)
		return
	}
	if readable && r.Method == http.MethodHead {
		get.ServeHTTP(w, r) // net/http sends no body.
		return
	}
	allowed := slices.Collect(maps.Keys(m))
	if readable {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	allow := strings.Join(append(allowed, http.MethodOptions), ", ")
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	handler(func(http.ResponseWriter, *http.Request) error {
		return problem.New(problem.MethodNotAllowed, "this path takes %s", allow).WithHeader("Allow", allow)
	}).ServeHTTP(w, r)
}
