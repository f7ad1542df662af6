package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// deletionPath is the path of the webhook for deletions. It is a webhook of its own because its failurePolicy
	// differs from that of the other JobTemplate webhook.
	deletionPath = "/warn-deletion-dispatcher-ivan-vc-v1alpha1-jobtemplate"

	// indexUnfinished indexes the unfinished executions by the name of their template. Finished ones, which may be
	// many, are not in it.
	indexUnfinished = "webhook.unfinishedOfJobTemplate"

	// maxUnfinished is up to where unfinished executions are counted.
	maxUnfinished = 100
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=list;watch

// deletionWarner warns when a JobTemplate with unfinished executions is deleted. It allows every deletion, also after
// an error or a panic: failurePolicy Ignore helps only where the webhook does not answer. Therefore it is not a
// Validator, which refuses requests that it cannot decode.
type deletionWarner struct {
	executions client.Reader
	calls      calls
}

var _ admission.Handler = &deletionWarner{}

// Handle answers one request.
func (w *deletionWarner) Handle(ctx context.Context, request admission.Request) (response admission.Response) {
	log := ctrl.LoggerFrom(ctx)
	defer func() {
		if reason := recover(); reason != nil {
			log.Error(
				fmt.Errorf("panic: %v", reason),
				"allowed the deletion of a JobTemplate without looking for its unfinished executions",
			)
			response = admission.Allowed("")
		}
	}()

	unfinished, err := w.unfinished(ctx, request)
	if err != nil {
		const message = "allowed the deletion of a JobTemplate without looking for its unfinished executions"
		if errors.Is(err, context.DeadlineExceeded) {
			log.V(1).Info(message, "error", err.Error()) // Strangers can cause as many as they like.
		} else {
			log.Error(err, message)
		}
		return admission.Allowed("")
	}
	if unfinished == 0 {
		return admission.Allowed("")
	}
	number := strconv.Itoa(unfinished)
	if unfinished > maxUnfinished {
		number = fmt.Sprintf("more than %d", maxUnfinished)
	}
	return admission.Allowed("").WithWarnings(fmt.Sprintf(
		"%s unfinished JobExecution(s) of this JobTemplate: those without a Job yet will fail with %s",
		number, dispatcherv1alpha1.ReasonJobTemplateNotFound))
}

// unfinished counts the unfinished executions, up to one more than maxUnfinished. Strangers can ask, too, so it copies
// no execution, and waits for its turn.
func (w *deletionWarner) unfinished(ctx context.Context, request admission.Request) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, deletionTimeout)
	defer cancel()

	release, err := w.calls.wait(ctx, request.Namespace)
	if err != nil {
		return 0, err
	}
	defer release()
	executions := &dispatcherv1alpha1.JobExecutionList{}
	err = w.executions.List(ctx, executions,
		client.InNamespace(request.Namespace),
		client.MatchingFields{indexUnfinished: deletedName(request)},
		client.Limit(maxUnfinished+1),
		client.UnsafeDisableDeepCopy)
	if err != nil {
		return 0, fmt.Errorf("listing unfinished executions: %w", err)
	}
	return len(executions.Items), nil
}

// deletedName returns the name of the object that is deleted. A request that deletes a collection has none of its
// own.
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
	if !ok || execution.IsFinished() {
		return nil
	}
	return []string{execution.Spec.JobTemplateName}
}
