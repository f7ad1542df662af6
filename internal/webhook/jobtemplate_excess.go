package webhook

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// requestedTemplate has the fields of a Job's manifest that a spec.jobTemplate has not. The CRD has them, so that they
// are refused together with what else was copied with the manifest.
type requestedTemplate struct {
	Spec struct {
		JobTemplate struct {
			APIVersion string         `json:"apiVersion"`
			Kind       string         `json:"kind"`
			Status     map[string]any `json:"status"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

// excessFields reports what the JobTemplate in a request has of the manifest of a Job and cannot have. An empty status
// says nothing, and is in each manifest that a program of Go has written.
func excessFields(ctx context.Context) field.ErrorList {
	request, err := admission.RequestFromContext(ctx)
	if err != nil || len(request.Object.Raw) == 0 {
		return nil
	}
	requested := requestedTemplate{}
	if err := json.Unmarshal(request.Object.Raw, &requested); err != nil {
		return nil // The template was decoded, so this cannot be.
	}
	job := requested.Spec.JobTemplate
	at := field.NewPath("spec", "jobTemplate")
	var errs field.ErrorList
	if job.APIVersion != "" {
		errs = append(errs, field.Forbidden(at.Child("apiVersion"), "leave it out: it is always batch/v1"))
	}
	if job.Kind != "" {
		errs = append(errs, field.Forbidden(at.Child("kind"), "leave it out: it is always Job"))
	}
	if len(job.Status) > 0 {
		errs = append(errs, field.Forbidden(at.Child("status"), "leave it out: it is the status of one Job"))
	}
	return errs
}
