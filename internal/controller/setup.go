package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

const (
	// name is the controller's name in logs and metrics, and the reportingController of its events.
	name = "jobexecution"

	// maxConcurrentReconciles is how many executions are worked on at a time. A reconcile spends its time waiting for
	// the API server to store one object. It is twice what the HTTP APIs of two replicas store at a time: an execution
	// takes a Job and then a status.
	maxConcurrentReconciles = 32

	// reconcileTimeout ends a reconcile whose API call hangs, so that it cannot keep a worker for ever.
	reconcileTimeout = time.Minute

	// An execution that could not be brought further is tried again after minRetryInterval, then after twice that, up to
	// maxRetryInterval.
	minRetryInterval = 50 * time.Millisecond
	maxRetryInterval = time.Minute

	// startedSize is how many Jobs this process remembers to have created. It must hold those of staleAfter, which it
	// does at hundreds a second.
	startedSize = 8192

	// byExecution is the index of cached Jobs and pods by the name of the execution that they belong to.
	byExecution = "dispatcher.jobexecution"
)

// reconciler brings JobExecutions to their end, one step per call.
type reconciler struct {
	client   client.Client // Its reads come from the cache.
	live     client.Reader // Its reads go past the cache.
	programs *render.Cache
	recorder events.EventRecorder
	clock    clock.PassiveClock
	lease    *Lease

	// started maps the UIDs of executions to the JobReference of the Job that this process created, or found, for them, or
	// to none where it was canceled. It bridges the time until a watch event brings that into the cache.
	started *lru.Cache

	// replaced maps the UIDs of executions to the resourceVersion that this process last replaced by writing a status. A
	// cache that still shows it is behind.
	replaced *lru.Cache

	// endings is what pods said that may be gone.
	endings endings

	// leadingSince is when this process reconciled for the first time, and so when it became the leader or later.
	leadingSince func() time.Time
}

// Setup adds the controller to the manager. It needs a manager whose cache is restricted by CacheOptions, and shares
// programs with the admission webhooks. The lease is nil where no leader is elected.
func Setup(mgr ctrl.Manager, programs *render.Cache, lease *Lease) error {
	for _, object := range []client.Object{&batchv1.Job{}, &corev1.Pod{}} {
		if err := mgr.GetFieldIndexer().IndexField(context.Background(), object, byExecution, executionNames); err != nil {
			return fmt.Errorf("indexing %T by execution: %w", object, err)
		}
	}
	// Templates are read, not watched, so that nothing else would start their informer before the first execution.
	if _, err := mgr.GetCache().GetInformer(context.Background(), &dispatcherv1alpha1.JobTemplate{}, cache.BlockUntilSynced(false)); err != nil {
		return fmt.Errorf("starting the cache of JobTemplates: %w", err)
	}
	r := newReconciler(mgr.GetClient(), mgr.GetAPIReader(), programs, mgr.GetEventRecorder(name), clock.RealClock{})
	r.lease = lease
	warmup := true
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		For(&dispatcherv1alpha1.JobExecution{}).
		Watches(&batchv1.Job{}, behindNewExecutions(requestsFor)).
		Watches(&corev1.Pod{}, r.podHandler()).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: maxConcurrentReconciles,
			ReconciliationTimeout:   reconcileTimeout,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minRetryInterval, maxRetryInterval),
			// A replica that is not the leader keeps its cache filled, so that it can take over at once.
			EnableWarmup: &warmup,
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("building the controller of JobExecutions: %w", err)
	}
	return nil
}

func newReconciler(cached client.Client, live client.Reader, programs *render.Cache, recorder events.EventRecorder, clock clock.PassiveClock) *reconciler {
	return &reconciler{
		client:       cached,
		live:         live,
		programs:     programs,
		recorder:     recorder,
		clock:        clock,
		started:      lru.New(startedSize),
		replaced:     lru.New(startedSize),
		endings:      newEndings(),
		leadingSince: sync.OnceValue(clock.Now),
	}
}

// executionNames returns the names of the executions that a Job, or a pod, may belong to: by its controller reference and by
// its label, of which a pod has the second only. They are the same, unless somebody took one of them away: a garbage collector that orphans the Job does, and
// a finalizer on such a Job must be found nevertheless.
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

// requestsFor maps a Job or a pod to the executions that it may belong to, whether or not they exist.
func requestsFor(_ context.Context, object client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range executionNames(object) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}})
	}
	return requests
}
