package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/httpapi/watch"
)

// get answers with an execution: at once, or with the parameter wait, when it has finished or that time has passed. A
// caller that has a state of it, by If-None-Match, waits for another one instead.
func (e *executions) get(w http.ResponseWriter, r *http.Request) error {
	form, err := negotiate(r, mediaJSON, mediaYAML, mediaEvents)
	if err != nil {
		return err
	}
	if form == mediaEvents {
		return e.events(w, r)
	}
	named, err := executionOf(r)
	if err != nil {
		return err
	}
	query, err := queryOf(r, "wait")
	if err != nil {
		return err
	}
	wait, err := waitOf(query, e.options.MaxWait)
	if err != nil {
		return err
	}
	var execution *watch.Copy
	if wait > 0 {
		execution, err = e.await(w, r, named, wait, func(execution *dispatcherv1alpha1.JobExecution) bool {
			if r.Header.Get("If-None-Match") != "" {
				return !matches(r, entityTag(execution, form))
			}
			return execution.IsFinished()
		})
	} else {
		execution, err = e.lookUp(r, named, "get")
	}
	if err != nil {
		return err
	}
	tag := entityTag(execution.JobExecution, form)
	header := w.Header()
	header.Set("ETag", tag)
	if matches(r, tag) {
		execution.Release()
		header.Add("Vary", "Accept")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return e.writeExecution(w, r, form, http.StatusOK, execution)
}

// waitOf reads the parameter wait, in seconds. What asks for more than longest waits that long.
func waitOf(query map[string]string, longest time.Duration) (time.Duration, error) {
	text, ok := query["wait"]
	if !ok {
		return 0, nil
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return longest, nil
	case err != nil:
		return 0, refuseParameter("wait", "must be a number of seconds, 0 or more")
	}
	return min(time.Duration(seconds)*time.Second, longest), nil
}

// await returns an execution that the caller may see, as it is when done says so of it, or when the time to wait is
// over.
func (e *executions) await(
	w http.ResponseWriter,
	r *http.Request,
	named store.Target,
	wait time.Duration,
	done func(*dispatcherv1alpha1.JobExecution) bool,
) (*watch.Copy, error) {
	// The subscription comes first: what happens after the look-up is announced.
	key := types.NamespacedName{Namespace: named.Namespace, Name: named.Execution}
	subscription := e.watcher.Subscribe(key, r.RemoteAddr)
	defer subscription.Close()
	execution, err := e.lookUp(r, named, "get")
	if err != nil || done(execution.JobExecution) {
		return execution, err
	}
	ctx, release, err := e.waiting(w, r, wait)
	if err != nil {
		execution.Release()
		return nil, err
	}
	defer release()
	return subscription.AwaitFrom(ctx, execution, done)
}
