package webhook

import (
	"context"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// jobExecutionDefaulter fills in what an execution takes from its template.
type jobExecutionDefaulter struct {
	templates *templateLookup
}

var _ admission.Defaulter[*dispatcherv1alpha1.JobExecution] = &jobExecutionDefaulter{}

// Default fills in labels and the time to live. A template that does not exist is left to the validator, whose answer
// names the field.
func (d *jobExecutionDefaulter) Default(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) error {
	return counted(jobExecutionKind, d.fillIn(ctx, execution))
}

func (d *jobExecutionDefaulter) fillIn(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) error {
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()

	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: request.Namespace, Name: execution.Spec.JobTemplateName}
	if len(validation.IsDNS1123Subdomain(key.Name)) > 0 {
		// Mutation comes before the CRD's own rules: these refuse such a name, and name the field.
		return nil
	}
	template, err := d.templates.get(ctx, key)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return unavailable(fmt.Sprintf("reading JobTemplate %q", key.Name), err)
	}
	inherit(execution, template)
	return nil
}

// inherit copies from template what execution does not say itself. To do it twice is to do it once.
func inherit(execution *dispatcherv1alpha1.JobExecution, template *dispatcherv1alpha1.JobTemplate) {
	labels := render.InheritedLabels(template)
	maps.Copy(labels, execution.Labels)
	// This one is what executions are found by, so not even the user may set it to something else.
	labels[dispatcherv1alpha1.LabelJobTemplate] = template.Name
	execution.Labels = labels

	if execution.Spec.TTLSecondsAfterFinished == nil && template.Spec.TTLSecondsAfterFinished != nil {
		execution.Spec.TTLSecondsAfterFinished = new(*template.Spec.TTLSecondsAfterFinished)
	}
}
