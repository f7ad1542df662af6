package controller

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

const (
	// trialPeriod is after how long a template is tried again that nobody has changed. No watch event tells of changes
	// of webhooks, priority classes and policies of the whole cluster.
	trialPeriod = 30 * time.Minute

	// quotaPeriod is the same for a template whose Job exceeds a quota now. No watch event tells when there is room.
	quotaPeriod = 5 * time.Minute

	// periodJitter is by which share these times are made longer or shorter, at random.
	periodJitter = 0.1
)

// Reconcile tries one template and writes its status if the verdict is another one. It does nothing while this process
// does not lead: when a term begins, all templates are enqueued.
func (r *templateReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if !r.lease.Valid() {
		return ctrl.Result{}, nil
	}
	if err := r.pace.wait(ctx); err != nil {
		return ctrl.Result{}, nil // The process ends.
	}
	term := r.lease.Begin()
	if term == nil {
		return ctrl.Result{}, nil
	}
	defer term.End()
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	period, err := r.reconcile(ctx, term, request.NamespacedName)
	switch {
	case errors.Is(err, leader.ErrLost), errors.Is(err, errNamespaceTerminating):
		return ctrl.Result{}, nil // The next term enqueues the template, or it will be deleted.
	case errors.Is(err, errOutdated):
		log.FromContext(ctx).V(1).Info("The template is tried again", "reason", err.Error())
		return ctrl.Result{RequeueAfter: jittered(outdatedInterval)}, nil
	case err != nil:
		templateRevalidations.WithLabelValues(resultError).Inc()
		return ctrl.Result{Priority: new(handler.LowPriority)}, err
	case period == 0:
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: jittered(period), Priority: new(handler.LowPriority)}, nil
}

// reconcile returns after how long the template is to be tried again, or 0 if it is gone.
func (r *templateReconciler) reconcile(
	ctx context.Context, term *leader.Term, key types.NamespacedName,
) (time.Duration, error) {
	begun := r.clock.Now()
	template, err := r.templates.Peek(ctx, key)
	switch {
	case templateNamed(key.Name).isGone(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("reading the template: %w", err)
	case !template.DeletionTimestamp.IsZero():
		return 0, nil
	case objectcache.IsIncomplete(template):
		return 0, fmt.Errorf("trying the template: %w", errIncomplete)
	}
	ready, err := r.judge(ctx, template)
	if err != nil {
		return 0, err
	}
	templateRevalidations.WithLabelValues(revalidationResults[ready.reason]).Inc()
	if err := r.writeTemplateStatus(ctx, term, template, ready); err != nil {
		return 0, err
	}
	switch {
	case r.mayLag(key.Namespace, begun):
		return policyRecheck, nil
	case ready.mayClear:
		return quotaPeriod, nil
	}
	return trialPeriod, nil
}

// judge examines and tries the template, as admission does it.
func (r *templateReconciler) judge(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) (*readiness, error) {
	examined := r.renderer.Examine(render.WithOrigin(ctx, render.OriginTemplates), template)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("rendering the template: %w", context.Cause(ctx))
	}
	verdict, err := trial.Template(ctx, r.jobs, template, examined)
	if err != nil {
		return nil, err
	}
	ready, err := readinessOf(template, verdict)
	if err != nil || !ready.isReady() || verdict.Job == nil {
		return ready, err
	}
	return r.checkPods(ctx, verdict.Job)
}

// mayLag says whether a trial that began at this time may have seen the policies of the namespace as they were before
// their last change.
func (r *templateReconciler) mayLag(namespace string, begun time.Time) bool {
	changed, ok := r.policiesChanged.Get(namespace)
	return ok && begun.Sub(changed.(time.Time)).Abs() < policyLag
}

// jittered returns about as long a time.
func jittered(period time.Duration) time.Duration {
	return time.Duration(float64(period) * (1 - periodJitter + 2*periodJitter*rand.Float64()))
}

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobtemplates/status,verbs=patch

// writeTemplateStatus stores the status if it differs in more than its times, then records an event.
func (r *templateReconciler) writeTemplateStatus(
	ctx context.Context, term *leader.Term, template *dispatcherv1alpha1.JobTemplate, ready *readiness,
) error {
	// The spec is left out of the patch: it may be large.
	before := &dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       template.Namespace,
			Name:            template.Name,
			ResourceVersion: template.ResourceVersion,
		},
		Status: *template.Status.DeepCopy(),
	}
	after := before.DeepCopy()
	ready.apply(&after.Status, template.Generation, r.clock.Now())
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	if err := term.Check(); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, after, patch); err != nil {
		return templateNamed(template.Name).writeFailed("writing the status", err)
	}
	r.recordTemplateEvent(template, ready)
	return nil
}
