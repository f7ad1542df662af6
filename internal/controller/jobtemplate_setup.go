package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

const (
	// templateName is the name of the controller of JobTemplates in logs and metrics, and the reportingController of
	// its events.
	templateName = "jobtemplate"

	// maxConcurrentTrials is how many templates are tried at a time. Most of a trial is a dry run, which may call
	// webhooks that are slow.
	maxConcurrentTrials = 4

	// trialTimeout ends the trial of a template: its render, with the wait for a render worker, and up to two dry runs.
	trialTimeout = 30 * time.Second

	// A template that could not be tried is tried again after minTrialRetry, then after twice that, up to maxTrialRetry.
	minTrialRetry = time.Second
	maxTrialRetry = 5 * time.Minute
)

// templateReconciler keeps the status of JobTemplates up to date.
type templateReconciler struct {
	client    client.Client // Its reads come from the cache.
	templates *objectcache.Templates
	renderer  render.Renderer
	jobs      trial.Trier
	recorder  events.EventRecorder
	clock     clock.PassiveClock
	lease     *leader.Lease
	pace      *pace

	podSecurity podSecurity

	// terms receives a value when a term as the leader begins.
	terms <-chan struct{}

	// policiesChanged maps the names of namespaces to the time.Time at which their policies last changed.
	policiesChanged *lru.Cache
}

// setupTemplates adds the controller of JobTemplates to the manager. As the one of executions, it runs on every replica
// with a full cache and acts while this process leads.
func setupTemplates(
	mgr ctrl.Manager, renderer render.Renderer, lease *leader.Lease, objects *objectcache.Cache, terms <-chan struct{},
) error {
	// Audit logs tell these dry runs from those of admission.
	config := rest.AddUserAgent(rest.CopyConfig(mgr.GetConfig()), templateName)
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("building the client that tries templates: %w", err)
	}
	jobs, err := trial.New(config, httpClient)
	if err != nil {
		return err
	}
	r := newTemplateReconciler(
		mgr.GetClient(), mgr.GetAPIReader(), objects, renderer, jobs, mgr.GetEventRecorder(templateName), lease)
	r.terms = terms
	err = ctrl.NewControllerManagedBy(mgr).
		Named(templateName).
		For(&dispatcherv1alpha1.JobTemplate{}, builder.WithPredicates(newOrChangedTemplate)).
		Watches(&corev1.Namespace{}, r.policyHandler(namespaceItself)).
		Watches(&corev1.ResourceQuota{}, r.policyHandler(client.Object.GetNamespace)).
		Watches(&corev1.LimitRange{}, r.policyHandler(client.Object.GetNamespace)).
		WatchesRawSource(source.Func(r.enqueueAllOnTerms)).
		WithOptions(templateOptions()).
		Complete(r)
	if err != nil {
		return fmt.Errorf("building the controller of JobTemplates: %w", err)
	}
	if err := metrics.Registry.Register(&templateCounts{templates: mgr.GetCache()}); err != nil {
		return fmt.Errorf("registering the metric of JobTemplates: %w", err)
	}
	return nil
}

// templateOptions are those of the controller of JobTemplates, which asks the Lease itself.
func templateOptions() controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: maxConcurrentTrials,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			minTrialRetry, maxTrialRetry,
		),
		NeedLeaderElection: new(false),
	}
}

func newTemplateReconciler(
	cached client.Client, apiReader client.Reader, objects *objectcache.Cache,
	renderer render.Renderer, jobs trial.Trier, recorder events.EventRecorder, lease *leader.Lease,
) *templateReconciler {
	return &templateReconciler{
		client:          cached,
		templates:       objects.Templates(cached, apiReader),
		renderer:        renderer,
		jobs:            &largeJobsInTurn{trier: jobs, turn: make(chan struct{}, 1)},
		recorder:        recorder,
		clock:           clock.RealClock{},
		lease:           lease,
		pace:            &pace{clock: clock.RealClock{}},
		podSecurity:     newPodSecurity(),
		policiesChanged: lru.New(policiesChangedSize),
	}
}

// enqueueAllOnTerms enqueues all templates when a term as the leader begins, for as long as ctx lasts.
func (r *templateReconciler) enqueueAllOnTerms(ctx context.Context, queue queue) error {
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.terms:
				r.enqueueTemplates(ctx, queue, "", 0)
			}
		}
	}()
	return nil
}
