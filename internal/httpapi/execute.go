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
	if err := checkRequest(r); err != nil {
		return err
	}
	payload, err := readPayload(w, r, e.options.MaxPayloadBytes)
	if err != nil {
		return err
	}
	if e.options.LogPayloads {
		rec.payload = &payload
	}

	// The whole request is here. Whoever sent it may hang up now without leaving it half done.
	ctx := context.WithoutCancel(r.Context())
	execution, err := e.creator.create(ctx, newExecution(named, payload, rec))
	if err != nil {
		return translate(err, named)
	}
	rec.execution = execution.Name
	w.Header().Set("Location", "/executions/"+execution.Namespace+"/"+execution.Name)
	writeJSON(w, "application/json", http.StatusCreated, published(execution))
	return nil
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
