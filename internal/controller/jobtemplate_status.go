package controller

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/refusal"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

// readiness is what the status of a template tells.
type readiness struct {
	reason, message string

	// mayClear says that the template may become ready although nobody changes it or its namespace.
	mayClear bool
}

func (r *readiness) isReady() bool { return r.reason == dispatcherv1alpha1.ReasonAccepted }

func accepted() *readiness {
	return &readiness{
		reason:  dispatcherv1alpha1.ReasonAccepted,
		message: "the JobTemplate renders, and the API server would create its Job",
	}
}

// readinessOf returns what follows from a verdict. An error means that the verdict is none: it may be another one in a
// moment.
func readinessOf(template *dispatcherv1alpha1.JobTemplate, verdict trial.Verdict) (*readiness, error) {
	refused := verdict.Refusal
	switch {
	case render.Retryable(verdict.RenderErrors):
		return nil, fmt.Errorf("rendering the template: %w", verdict.RenderErrors.ToAggregate())
	case len(verdict.RenderErrors) > 0:
		return &readiness{
			reason:  dispatcherv1alpha1.ReasonRenderFailed,
			message: fmt.Sprintf("%s; correct the JobTemplate", truncated(joined(verdict.RenderErrors))),
		}, nil
	case refused == nil:
		return accepted(), nil
	case isNamespaceTerminating(refused, template.Namespace):
		return nil, errNamespaceTerminating
	case isContention(refused):
		return nil, fmt.Errorf("trying the Job: %w: %w", errContended, refused)
	case refusal.ByPolicy(refused):
		// A policy may change, whatever the code of its answer.
	case len(verdict.JobErrors) > 0:
		return &readiness{
			reason:  dispatcherv1alpha1.ReasonJobInvalid,
			message: fmt.Sprintf("%s; correct the JobTemplate", truncated(joined(verdict.JobErrors))),
		}, nil
	case isInvalid(refused):
		return &readiness{
			reason:  dispatcherv1alpha1.ReasonJobInvalid,
			message: fmt.Sprintf("%s; correct the JobTemplate", truncated(refused.Error())),
		}, nil
	}
	return &readiness{
		reason: dispatcherv1alpha1.ReasonJobForbidden,
		message: fmt.Sprintf("the API server would not create the Job now: %s; correct the JobTemplate or the policy",
			truncated(refused.Error())),
		mayClear: quotaMayHaveRoom(refused),
	}, nil
}

// exceededQuota is what the API server says of a quota without room.
var exceededQuota = regexp.MustCompile(`exceeded quota: .*requested: (.*), used: .*, limited: (.*)$`)

// quotaMayHaveRoom says whether a quota refused the Job only because of what exists besides it.
func quotaMayHaveRoom(refused error) bool {
	match := exceededQuota.FindStringSubmatch(refused.Error())
	if match == nil || refusal.ByPolicy(refused) {
		return false
	}
	limits := quantities(match[2])
	for name, requested := range quantities(match[1]) {
		if limit, ok := limits[name]; ok && requested.Cmp(limit) > 0 {
			return false
		}
	}
	return true
}

// quantities reads a list such as pods=1,requests.cpu=100m.
func quantities(text string) map[string]resource.Quantity {
	read := map[string]resource.Quantity{}
	for entry := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(entry, "=")
		if quantity, err := resource.ParseQuantity(value); err == nil {
			read[name] = quantity
		}
	}
	return read
}

// apply sets the conditions of a status. Their times change with their status alone.
func (r *readiness) apply(status *dispatcherv1alpha1.JobTemplateStatus, generation int64, now time.Time) {
	condition := metav1.Condition{
		Type:               dispatcherv1alpha1.ConditionReady,
		Status:             metav1.ConditionFalse,
		Reason:             r.reason,
		Message:            r.message,
		ObservedGeneration: generation,
		LastTransitionTime: metav1.NewTime(now),
	}
	if r.isReady() {
		condition.Status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&status.Conditions, condition)
	if r.isReady() || r.mayClear {
		meta.RemoveStatusCondition(&status.Conditions, dispatcherv1alpha1.ConditionStalled)
	} else {
		condition.Type, condition.Status = dispatcherv1alpha1.ConditionStalled, metav1.ConditionTrue
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	status.ObservedGeneration = generation
}

// recordTemplateEvent records an event if the template, whose status was that of before, has become ready again, or is
// not ready for another reason. Events have more readers than templates: the details are in the status.
func (r *templateReconciler) recordTemplateEvent(before *dispatcherv1alpha1.JobTemplate, ready *readiness) {
	last := meta.FindStatusCondition(before.Status.Conditions, dispatcherv1alpha1.ConditionReady)
	eventType, note := corev1.EventTypeNormal, "the JobTemplate is ready again"
	switch {
	case ready.isReady() && (last == nil || last.Status == metav1.ConditionTrue):
		return
	case !ready.isReady() && last != nil && last.Reason == ready.reason:
		return
	case !ready.isReady():
		eventType, note = corev1.EventTypeWarning, "the JobTemplate is not ready: its condition Ready says why"
	}
	r.recorder.Eventf(before, nil, eventType, ready.reason, "Validate", "%s", note)
}
