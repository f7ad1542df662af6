package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
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

// writeObject answers with a Kubernetes object in the form that was negotiated.
func writeObject(w http.ResponseWriter, form mediaType, status int, object any) error {
	var body []byte
	var err error
	if form == mediaYAML {
		body, err = render.YAML(object)
	} else if body, err = json.Marshal(object); err == nil {
		body = append(body, '\n')
	}
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	header := w.Header()
	header.Add("Vary", "Accept")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Content-Type", string(form))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// What cannot be written any more, because the caller is gone, is not an error of ours.
	_, _ = w.Write(body)
	return nil
}
