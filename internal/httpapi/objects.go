package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/watch"
	"dispatcher.ivan.vc/internal/render"
)

// published is an execution as callers see it: with its kind, which a typed client drops, without the bookkeeping of
// server-side apply, and with a time in each condition.
func published(execution *dispatcherv1alpha1.JobExecution) *dispatcherv1alpha1.JobExecution {
	execution.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobExecution"))
	execution.ManagedFields = nil
	execution.SetMissingTimes()
	return execution
}

// locationOf is the path of an execution in this API.
func locationOf(execution *dispatcherv1alpha1.JobExecution) string {
	return "/executions/" + execution.Namespace + "/" + execution.Name
}

// read returns an execution as it is now. The caller must release it. It waits where too much memory is taken by others
// that are being read or answered with, and where the remote address has its share, if one is given.
func (d dependencies) read(ctx context.Context, remote string, key types.NamespacedName) (*watch.Copy, error) {
	claim, err := d.memory.forRead(ctx, remote)
	if err != nil {
		return nil, err
	}
	found, err := d.store.Get(ctx, key.Namespace, key.Name)
	if err != nil {
		claim.Release()
		return nil, err
	}
	claim.Shrink(2*int64(len(found.Spec.Payload)) + restBytes)
	return watch.NewCopy(published(found), claim), nil
}

// writeExecution answers with an execution, encoded once for all who get this copy, and releases it.
func (d dependencies) writeExecution(
	w http.ResponseWriter,
	r *http.Request,
	form mediaType,
	status int,
	execution *watch.Copy,
) error {
	return writeCopy(w, form, status, execution, answerMemory{d.memory.reads, w, r})
}

// writeChanged is writeExecution for a call that has created or changed the execution. Nothing may be answered that
// reads as if it had not: where there is no memory for the body, the answer has none.
func (d dependencies) writeChanged(
	w http.ResponseWriter,
	r *http.Request,
	form mediaType,
	status int,
	execution *watch.Copy,
) error {
	return changed(w, r, status, d.writeExecution(w, r, form, status, execution))
}

// writeStored is writeChanged for a call whose claim is that of its payload. More is taken from where that is from, so
// that such calls do not wait for those that read.
func writeStored(
	w http.ResponseWriter,
	r *http.Request,
	form mediaType,
	status int,
	stored *dispatcherv1alpha1.JobExecution,
	claim *budget.Claim,
) error {
	memory := answerMemory{claim.Of(), w, r}
	return changed(w, r, status, writeCopy(w, form, status, watch.NewCopy(published(stored), claim), memory))
}

// changed answers without a body where err is that there was no memory for one.
func changed(w http.ResponseWriter, r *http.Request, status int, err error) error {
	if !problem.Is(err, problem.TooManyRequests) {
		return err
	}
	recordOf(r).err = err
	w.WriteHeader(status)
	return nil
}

func writeCopy(
	w http.ResponseWriter,
	form mediaType,
	status int,
	execution *watch.Copy,
	memory watch.Memory,
) error {
	defer execution.Release()
	body, err := execution.Encoded(string(form), func(execution *dispatcherv1alpha1.JobExecution) ([]byte, error) {
		return encode(form, execution)
	}, memory)
	if err != nil {
		return err
	}
	writeBody(w, form, status, body)
	return nil
}

// writeObject answers with a Kubernetes object in the form that was negotiated. The claim is what the object takes; it
// shrinks, or another is added, to what the object and the body take while the caller reads.
func (d dependencies) writeObject(
	w http.ResponseWriter,
	r *http.Request,
	form mediaType,
	object any,
	claim *budget.Claim,
) error {
	body, err := encode(form, object)
	if err != nil {
		return err
	}
	size := 2 * int64(len(body))
	claim.Shrink(size)
	if missing := size - claim.Size(); missing > 0 {
		memory := answerMemory{d.memory.reads, w, r}
		more := memory.Try(missing, missing)
		if more == nil {
			body = nil // Others hold what it would take.
			if more, err = memory.Await(missing, missing); err != nil {
				return err
			}
		}
		defer more.Release()
		if body == nil {
			if body, err = encode(form, object); err != nil {
				return err
			}
		}
	}
	writeBody(w, form, http.StatusOK, body)
	return nil
}

func encode(form mediaType, object any) ([]byte, error) {
	if form == mediaYAML {
		body, err := render.YAML(object)
		if err != nil {
			return nil, fmt.Errorf("encoding the answer: %w", err)
		}
		return body, nil
	}
	return encodeJSON(object)
}

// encodeJSON is the JSON of all answers, in one line that has a line break at its end. It does not escape <, > and &,
// which would be six times as long, as no answer is HTML.
func encodeJSON(object any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return body.Bytes(), nil
}

func writeBody(w http.ResponseWriter, form mediaType, status int, body []byte) {
	header := w.Header()
	header.Add("Vary", "Accept")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Content-Type", string(form))
	header.Set("X-Content-Type-Options", "nosniff")
	expectReader(w, len(body))
	w.WriteHeader(status)
	// What cannot be written any more, because the caller is gone, is not an error of ours.
	_, _ = w.Write(body)
}
