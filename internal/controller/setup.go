package controller

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
)

const (
	// name is the controller's name in logs and metrics, and the reportingController of its events.
	name = "jobexecution"

	// maxConcurrentReconciles is how many executions are reconciled at a time. A reconcile mostly waits for the API
	// server to store an object. It is twice the number of executions that the HTTP APIs of two replicas store at a
	// time: each takes a Job and then a status.
	maxConcurrentReconciles = 32

	// reconcileTimeout ends a reconcile whose API call hangs.
	reconcileTimeout = time.Minute

	// A reconcile that failed is retried after minRetryInterval, then after twice that, up to maxRetryInterval.
	minRetryInterval = 50 * time.Millisecond
	maxRetryInterval = time.Minute

	// replacedSize is how many status writes this process remembers. It must hold those that the cache does not show
	// yet.
	replacedSize = 8192

	// byExecution is the index of cached Jobs and pods by the name of the execution that they belong to.
	byExecution = "dispatcher.jobexecution"
)

// reconciler reconciles JobExecutions.
type reconciler struct {
	client    client.Client // Its reads come from the cache.
	apiReader client.Reader // Its reads go past the cache.
	templates *objectcache.Templates
	payloads  *objectcache.Payloads
	renderer  render.Renderer
	recorder  events.EventRecorder
	clock     clock.PassiveClock
	lease     *leader.Lease
	renders   *renders
	turns     *turns

	// terms is told when a term as the leader begins, for the controller of JobTemplates.
	terms chan struct{}

	// What follows outlives the terms of a leader: what it says of a Job or of a resourceVersion stays true whatever
	// other replicas do meanwhile. What was observed of an execution belongs to a term.

	startedJobs startedJobs

	// replaced maps the UIDs of executions to the resourceVersion that this process last replaced by writing a status,
	// as a replacedVersion. If the cache still shows that version, it lags.
	replaced *lru.Cache

	// outdatedSince maps the names of executions to the time.Time since when errOutdated ends their reconciles.
	outdatedSince *lru.Cache

	// retriedAt maps the UIDs of executions whose Job was refused to the time.Time at which they are tried again.
	retriedAt *lru.Cache

	// podOutcomes remembers the outcomes of pods that may have been deleted.
	podOutcomes podOutcomes

	// looks remembers what events tell of Jobs without started pods. eventReads bounds the reads at a time.
	looks      looks
	eventReads *semaphore.Weighted
}

// Setup adds the controllers to the manager, whose informers must have the options of objects. They run on every
// replica with a full cache and act while this process leads.
func Setup(mgr ctrl.Manager, renderer render.Renderer, lease *leader.Lease, objects *objectcache.Cache) error {
	for _, object := range []client.Object{&batchv1.Job{}, &corev1.Pod{}} {
		if err := mgr.GetFieldIndexer().IndexField(context.Background(), object, byExecution, executionNames); err != nil {
			return fmt.Errorf("indexing %T by execution: %w", object, err)
		}
	}
	// Templates are read, not watched, so that nothing else would start their informer before the first execution.
	templates, err := mgr.GetCache().
		GetInformer(context.Background(), &dispatcherv1alpha1.JobTemplate{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("starting the cache of JobTemplates: %w", err)
	}
	if _, err := templates.AddEventHandler(toolscache.ResourceEventHandlerFuncs{DeleteFunc: forgetTemplate}); err != nil {
		return fmt.Errorf("listening to changes of JobTemplates: %w", err)
	}
	r := newReconciler(
		mgr.GetClient(), mgr.GetAPIReader(), objects, renderer, mgr.GetEventRecorder(name), clock.RealClock{}, lease,
	)
	err = ctrl.NewControllerManagedBy(mgr).
		Named(name).
		For(&dispatcherv1alpha1.JobExecution{}).
		Watches(&batchv1.Job{}, r.jobHandler()).
		Watches(&corev1.Pod{}, r.podHandler()).
		WatchesRawSource(source.Func(r.enqueueAllOnTerms)).
		WithOptions(options()).
		Complete(r)
	if err != nil {
		return fmt.Errorf("building the controller of JobExecutions: %w", err)
	}
	return setupTemplates(mgr, renderer, lease, objects, r.terms)
}

// options are those of the controller, which runs on every replica: it asks the Lease itself.
func options() controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: maxConcurrentReconciles,
		ReconciliationTimeout:   reconcileTimeout,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			minRetryInterval, maxRetryInterval,
		),
		NeedLeaderElection: new(false),
	}
}

func newReconciler(
	cached client.Client,
	apiReader client.Reader,
	objects *objectcache.Cache,
	renderer render.Renderer,
	recorder events.EventRecorder,
	clock clock.PassiveClock,
	lease *leader.Lease,
) *reconciler {
	return &reconciler{
		client:        cached,
		apiReader:     apiReader,
		templates:     objects.Templates(cached, apiReader),
		payloads:      objects.Payloads(apiReader),
		renderer:      renderer,
		recorder:      recorder,
		clock:         clock,
		lease:         lease,
		renders:       newRenders(clock),
		turns:         newTurns(clock),
		terms:         make(chan struct{}, 1),
		startedJobs:   newStartedJobs(clock),
		replaced:      lru.New(replacedSize),
		outdatedSince: lru.New(outdatedSize),
		retriedAt:     lru.New(retriedSize),
		podOutcomes:   newPodOutcomes(),
		looks:         newLooks(),
		eventReads:    semaphore.NewWeighted(maxEventReads),
	}
}

// executionNames returns the names of the executions that a Job or a pod may belong to: by its controller reference and
// by its label. A pod has only the label. They are the same unless somebody changed one, for example the garbage
// collector, which removes the reference from orphaned Jobs.
func executionNames(object client.Object) []string {
	var names []string
	if owner := metav1.GetControllerOf(object); owner != nil && isExecution(owner) {
		names = append(names, owner.Name)
	}
	label := object.GetLabels()[dispatcherv1alpha1.LabelJobExecution]
	if label != "" && (len(names) == 0 || names[0] != label) {
		names = append(names, label)
	}
	return names
}

// requestsFor maps a Job or a pod to the executions that it may belong to, even if they do not exist.
func requestsFor(_ context.Context, object client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range executionNames(object) {
		requests = append(
			requests,
			reconcile.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}},
		)
	}
	return requests
}
