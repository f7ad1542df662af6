package httpapi

import (
	"net/http"
	"time"

	"github.com/gorilla/mux"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/httpapi/watch"
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
		// The answer has the outcome, and the right to execute does not include the right to read it.
		if err := caller.Authorize(r.Context(), executions.To("get")); err != nil {
			return err
		}
	}
	request, claim, err := e.request(w, r, caller, named)
	if err != nil {
		return err
	}
	defer claim.Release()
	key := store.Key{User: caller.Name(), UID: caller.UID(), Value: asked.key}
	if asked.waits {
		return e.executeAndWait(w, r, request, key, asked, claim)
	}
	execution, repeated, err := e.create(r, request, key)
	if err != nil {
		return err
	}
	w.Header().Set("Location", locationOf(execution))
	if !repeated {
		return writeStored(w, r, asked.form, http.StatusCreated, execution, claim)
	}
	// A repeat is answered with the outcome. The execution exists, so the answer must not look like a refusal: if the
	// API server cannot be asked for the right, the caller gets the answer of one without it.
	if allowed, err := caller.May(r.Context(), executions.To("get")); err != nil || !allowed {
		recordOf(r).err = err
		w.WriteHeader(http.StatusOK)
		return nil
	}
	return writeStored(w, r, asked.form, http.StatusOK, execution, claim)
}

// executeAndWait creates an execution and answers with its end, or with what there is when the time is over.
func (e *executor) executeAndWait(
	w http.ResponseWriter,
	r *http.Request,
	request store.Request,
	key store.Key,
	asked call,
	claim *budget.Claim,
) error {
	// A caller who cannot wait must not have executed anything either.
	waiting, release, err := e.waiters.acquire(r)
	if err != nil {
		return err
	}
	defer release()
	stored, _, err := e.create(r, request, key)
	if err != nil {
		return err
	}
	w.Header().Set("Location", locationOf(stored))
	// While it waits, this call holds no payload, and no place among those in flight.
	execution := watch.WithoutPayload(published(stored))
	claim.Release()
	placeOf(r).Leave()
	extendTimeouts(w, asked.wait)
	ended, status := e.await(waiting, w, r, execution, asked.wait)
	release()
	return e.writeChanged(w, r, asked.form, status, ended)
}

// request reads the payload of a call. The place of the call among those in flight is lent to others meanwhile: a place
// is for work, and not for waiting for bytes. The claim is the memory of the payload; the caller must release it.
func (e *executor) request(
	w http.ResponseWriter,
	r *http.Request,
	caller *access.Caller,
	named store.Target,
) (store.Request, *budget.Claim, error) {
	place := placeOf(r)
	place.Lend()
	payload, claim, err := readPayload(w, r, e.options.MaxPayloadBytes, e.memory)
	if err != nil {
		return store.Request{}, nil, err
	}
	if err := place.Return(r.Context(), placeTimeout); err != nil {
		claim.Release()
		return store.Request{}, nil, tooMany(err, e.inFlight, "requests are being handled already: try again later")
	}
	rec := recordOf(r)
	if e.options.LogPayloads {
		logged := payload
		rec.payload = &logged
	}
	return store.Request{
		Namespace:  named.Namespace,
		Template:   named.Template,
		Payload:    payload,
		Caller:     caller.Name(),
		ID:         rec.requestID,
		ReceivedAt: rec.receivedAt,
	}, claim, nil
}

// create stores the execution, or finds the one of its key: then repeated is true.
func (e *executor) create(
	r *http.Request,
	request store.Request,
	key store.Key,
) (execution *dispatcherv1alpha1.JobExecution, repeated bool, err error) {
	if key.Value == "" {
		execution, err = e.store.Create(r.Context(), request)
	} else {
		execution, repeated, err = e.store.CreateOnce(r.Context(), request, key)
	}
	if err == nil {
		recordOf(r).execution = execution.Name
	}
	return execution, repeated, err
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
		// An Accept header may be disregarded (RFC 9110, section 12.5.1): the execution matters more than its format.
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
