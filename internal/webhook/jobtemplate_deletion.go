package webhook

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// deletionPath is where the API server tells of deletions. It is one of its own, so that the failurePolicy of the
	// other JobTemplate webhook does not hold for it.
	deletionPath = "/warn-deletion-dispatcher-ivan-vc-v1alpha1-jobtemplate"

	// indexUnfinished indexes the executions that are not finished by the name of their template, so that the finished
	// ones, which may be many, cost nothing here.
	indexUnfinished = "webhook.unfinishedOfJobTemplate"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=list;watch

// deletionWarner warns when a JobTemplate is deleted that has unfinished executions. It allows every deletion, come what
// may: failurePolicy Ignore covers only a webhook that does not answer, not one that answers no. Therefore it is
// not a Validator, which refuses what it cannot decode and what made it panic.
type deletionWarner struct {
	executions client.Reader
}

var _ admission.Handler = &deletionWarner{}

// Handle answers one request.
func (w *deletionWarner) Handle(ctx context.Context, request admission.Request) (response admission.Response) {
	log := ctrl.LoggerFrom(ctx)
	defer func() {
		if reason := recover(); reason != nil {
			log.Error(fmt.Errorf("panic: %v", reason), "allowed a deletion without a look at its executions")
			response = admission.Allowed("")
		}
	}()

	unfinished, err := w.unfinished(ctx, request)
	if err != nil {
		log.Error(err, "allowed a deletion without a look at its executions")
		return admission.Allowed("")
	}
	if unfinished == 0 {
		return admission.Allowed("")
	}
	return admission.Allowed("").WithWarnings(fmt.Sprintf(
		"%d unfinished JobExecution(s) of this JobTemplate: those without a Job yet will fail with %s",
		unfinished, dispatcherv1alpha1.ReasonJobTemplateNotFound))
}

func (w *deletionWarner) unfinished(ctx context.Context, request admission.Request) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, deletionTimeout)
	defer cancel()

	executions := &dispatcherv1alpha1.JobExecutionList{}
	err := w.executions.List(ctx, executions,
		client.InNamespace(request.Namespace),
		client.MatchingFields{indexUnfinished: deletedName(request)})
	if err != nil {
		return 0, fmt.Errorf("listing unfinished executions: %w", err)
	}
	return len(executions.Items), nil
}

// deletedName returns the name of the object that is deleted. A request that deletes a collection has none of its own.
func deletedName(request admission.Request) string {
	if request.Name != "" {
		return request.Name
	}
	deleted := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(request.OldObject.Raw, deleted); err != nil {
		return ""
	}
	return deleted.Name
}

// unfinishedTemplate is the index function of indexUnfinished.
func unfinishedTemplate(object client.Object) []string {
	execution, ok := object.(*dispatcherv1alpha1.JobExecution)
	if !ok {
		return nil
	}
	succeeded := meta.FindStatusCondition(execution.Status.Conditions, dispatcherv1alpha1.ConditionSucceeded)
	if succeeded != nil && succeeded.Status != metav1.ConditionUnknown {
		return nil
	}
	return []string{execution.Spec.JobTemplateName}
}
