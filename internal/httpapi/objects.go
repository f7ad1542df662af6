package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/watch"
	"dispatcher.ivan.vc/internal/render"
)

// published is an execution as callers see it: with its kind, which a typed client drops, and without the bookkeeping
// of server-side apply.
func published(execution *dispatcherv1alpha1.JobExecution) *dispatcherv1alpha1.JobExecution {
	execution.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobExecution"))
	execution.ManagedFields = nil
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
func writeExecution(w http.ResponseWriter, form mediaType, status int, execution *watch.Copy) error {
	defer execution.Release()
	body, err := execution.Encoded(string(form), func(execution *dispatcherv1alpha1.JobExecution) ([]byte, error) {
		return encode(form, execution)
	})
	if err != nil {
		return err
	}
	writeBody(w, form, status, body)
	return nil
}

// writeObject answers with a Kubernetes object in the form that was negotiated.
func writeObject(w http.ResponseWriter, form mediaType, status int, object any) error {
	body, err := encode(form, object)
	if err != nil {
		return err
	}
	writeBody(w, form, status, body)
	return nil
}

func encode(form mediaType, object any) ([]byte, error) {
	var body []byte
	var err error
	if form == mediaYAML {
		body, err = render.YAML(object)
	} else if body, err = json.Marshal(object); err == nil {
		body = append(body, '\n')
	}
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return body, nil
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
