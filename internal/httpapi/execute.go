package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// executor handles the calls that execute a JobTemplate.
type executor struct {
	dependencies
	creator *creator
	options Options
}

func (e *executor) register(router *mux.Router) {
	execute := methods{http.MethodPut: e.execute, http.MethodPost: e.execute}
	router.Handle("/execute/{namespace}/{template}", execute)
	router.Handle("/execute/{template}", execute)
}

// execute creates one execution of the template in the path, with the body as its payload.
func (e *executor) execute(w http.ResponseWriter, r *http.Request) error {
	named, err := targetOf(r, e.options.DefaultNamespace)
	if err != nil {
		return err
	}
	rec := recordOf(r)
	rec.namespace, rec.template = named.namespace, named.template
	asked, err := e.read(r, named)
	if err != nil {
		return err
	}
	payload, err := readPayload(w, r, e.options.MaxPayloadBytes)
	if err != nil {
		return err
	}
	if e.options.LogPayloads {
		rec.payload = &payload
	}

	if asked.dryRun {
		return e.preview(w, r, newExecution(named, payload, rec), asked.form)
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

	// The whole request is here. Whoever sent it may hang up now without leaving it half done.
	ctx := context.WithoutCancel(r.Context())
	execution := newExecution(named, payload, rec)
	e.defaults.fillIn(ctx, execution)
	execution, status, err := e.store(ctx, execution, asked.key)
	if err != nil {
		return translate(err, named)
	}
	rec.execution = execution.Name
	w.Header().Set("Location", "/executions/"+execution.Namespace+"/"+execution.Name)
	if asked.waits {
		extendTimeouts(w, asked.wait)
		execution, status = e.await(waiting, w, rec, execution, asked.wait)
	}
	return writeObject(w, asked.form, status, published(execution))
}

// call is what a request asks for, besides its template and its payload.
type call struct {
	form   mediaType
	dryRun bool
	key    string        // the Idempotency-Key, or ""
	waits  bool          // the caller prefers to wait,
	wait   time.Duration // so long
}

// read returns what a request asks for, if its caller may have it.
func (e *executor) read(r *http.Request, named target) (call, error) {
	if err := e.access.authorize(r, right{"create", subresourceExecutions, named.namespace, named.template}); err != nil {
		return call{}, err
	}
	if err := checkRequest(r); err != nil {
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
	if asked.wait, asked.waits = preferredWait(r, e.options.MaxWait); asked.waits {
		// What is waited for is the outcome, which not everybody may see who may execute.
		return asked, e.access.authorize(r, right{"get", subresourceExecutions, named.namespace, named.template})
	}
	return asked, nil
}

// store creates an execution, or finds the one of its key, and says which of both in the status to answer with.
func (e *executor) store(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, key string) (*dispatcherv1alpha1.JobExecution, int, error) {
	if key == "" {
		created, err := e.creator.create(ctx, execution)
		return created, http.StatusCreated, err
	}
	setKey(execution, key)
	stored, repeated, err := e.creator.createOnce(ctx, execution)
	if repeated {
		return stored, http.StatusOK, err
	}
	return stored, http.StatusCreated, err
}

func newExecution(named target, payload string, rec *record) *dispatcherv1alpha1.JobExecution {
	return &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: named.namespace,
			Annotations: map[string]string{
				dispatcherv1alpha1.AnnotationRequestID:  rec.requestID,
				dispatcherv1alpha1.AnnotationReceivedAt: rec.receivedAt.UTC().Format(time.RFC3339Nano),
			},
		},
		Spec: dispatcherv1alpha1.JobExecutionSpec{
			JobTemplateName: named.template,
			Payload:         payload,
		},
	}
}

// published is an execution as callers see it: with its kind, which a typed client drops, and without the bookkeeping
// of server-side apply.
func published(execution *dispatcherv1alpha1.JobExecution) *dispatcherv1alpha1.JobExecution {
	execution.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobExecution"))
	execution.ManagedFields = nil
	return execution
}
