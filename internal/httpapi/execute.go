package httpapi

import (
	"net/http"
	"time"

	"github.com/gorilla/mux"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// executor handles the calls that execute a JobTemplate.
type executor struct {
	dependencies
	options Options
}

func (e *executor) register(router *mux.Router) {
	execute := methods{http.MethodPut: e.execute, http.MethodPost: e.execute}
	router.Handle("/execute/{namespace}/{template}", execute)
	router.Handle("/execute/{template}", execute)
}

// execute creates one execution of the template in the path, with the body as its payload.
func (e *executor) execute(w http.ResponseWriter, r *http.Request) error {
	named, err := templateOf(r, e.options.DefaultNamespace)
	if err != nil {
		return err
	}
	caller, err := e.caller(r)
	if err != nil {
		return err
	}
	executions := access.Right{Subresource: access.Executions, Namespace: named.Namespace, Template: named.Template}
	if err := caller.Authorize(r.Context(), executions.To("create")); err != nil {
		return err
	}
	asked, err := e.read(r)
	if err != nil {
		return err
	}
	if asked.dryRun {
		return e.preview(w, r, caller, named, asked.form)
	}
	if asked.waits {
		// What is waited for is the outcome, which not everybody may see who may execute.
		if err := caller.Authorize(r.Context(), executions.To("get")); err != nil {
			return err
		}
	}
	request, err := e.request(w, r, named)
	if err != nil {
		return err
	}

	waiting := r.Context()
	if asked.waits {
		// A caller who cannot wait must not have executed anything either.
		var release func()
		if waiting, release, err = e.waiters.acquire(r); err != nil {
			return err
		}
		defer release()
	}

	status := http.StatusCreated
	var execution *dispatcherv1alpha1.JobExecution
	if asked.key == "" {
		execution, err = e.store.Create(r.Context(), request)
	} else {
		var repeated bool
		key := store.Key{User: caller.Name(), UID: caller.UID(), Value: asked.key}
		if execution, repeated, err = e.store.CreateOnce(r.Context(), request, key); repeated {
			status = http.StatusOK
		}
	}
	if err != nil {
		return err
	}
	rec := recordOf(r)
	rec.execution = execution.Name
	w.Header().Set("Location", locationOf(execution))
	if asked.waits {
		extendTimeouts(w, asked.wait)
		execution, status = e.await(waiting, w, rec, execution, asked.wait)
	} else if status == http.StatusOK {
		// A repeat is answered with the outcome. The execution exists, so nothing may be answered that reads as if it did
		// not: where nobody can be asked for the right, the caller is treated as one without it.
		if allowed, err := caller.May(r.Context(), executions.To("get")); err != nil || !allowed {
			rec.err = err
			w.WriteHeader(status)
			return nil
		}
	}
	return writeObject(w, asked.form, status, published(execution))
}

// request reads the payload of a call.
func (e *executor) request(w http.ResponseWriter, r *http.Request, named store.Target) (store.Request, error) {
	payload, err := readPayload(w, r, e.options.MaxPayloadBytes)
	if err != nil {
		return store.Request{}, err
	}
	rec := recordOf(r)
	if e.options.LogPayloads {
		rec.payload = &payload
	}
	return store.Request{
		Namespace:  named.Namespace,
		Template:   named.Template,
		Payload:    payload,
		ID:         rec.requestID,
		ReceivedAt: rec.receivedAt,
	}, nil
}

// call is what a request asks for, besides its template and its payload.
type call struct {
	form   mediaType
	dryRun bool
	key    string        // the Idempotency-Key, or ""
	waits  bool          // the caller prefers to wait,
	wait   time.Duration // so long
}

// read reads the headers and parameters of a request.
func (e *executor) read(r *http.Request) (call, error) {
	if err := checkEncoding(r); err != nil {
		return call{}, err
	}
	dryRun, err := dryRunOf(r)
	if err != nil {
		return call{}, err
	}
	key, err := idempotencyKeyOf(r)
	if err != nil {
		return call{}, err
	}
	form, err := negotiate(r, objectTypes...)
	switch {
	case dryRun:
		return call{form: form, dryRun: true}, err
	case err != nil:
		// An Accept header may be disregarded (RFC 9110, section 12.5.1). To run nothing for it would help nobody.
		form = mediaJSON
	}
	asked := call{form: form, key: key}
	asked.wait, asked.waits = preferredWait(r, e.options.MaxWait)
	return asked, nil
}

// dryRunOf tells whether a request asks for a preview. A parameter that is not known is refused and not skipped, since
// a preview must not run.
func dryRunOf(r *http.Request) (bool, error) {
	query, err := queryOf(r, "dryRun")
	if err != nil {
		return false, err
	}
	value, asked := query["dryRun"]
	if asked && value != metav1.DryRunAll {
		return false, refuseParameter("dryRun", "must be "+metav1.DryRunAll)
	}
	return asked, nil
}
