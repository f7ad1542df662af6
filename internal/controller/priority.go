package controller

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// priorityOfChange is the priority of an execution whose Job or pod has changed: lower than that of a new execution, 0,
// and higher than that of the executions in the initial list, -100.
const priorityOfChange = -1

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// jobHandler enqueues the execution of a Job at lower priority, and remembers new Jobs. Of those that exist when the
// process starts, it remembers only the unfinished ones: there may be many others, whose executions have a status.
func (r *reconciler) jobHandler() handler.EventHandler {
	enqueuer := enqueueAtLowerPriority(requestsFor)
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			job, ok := e.Object.(*batchv1.Job)
			finishedBefore := ok && e.IsInInitialList && finishedCondition(job) != nil
			if ok && !finishedBefore {
				r.startedJobs.note(job)
			}
			enqueuer.Create(ctx, e, q)
		},
		UpdateFunc: enqueuer.Update,
		DeleteFunc: enqueuer.Delete,
	}
}

// enqueueAtLowerPriority returns a handler that enqueues the executions of an object behind new executions. Under
// overload, statuses are then delayed and Jobs are not. Objects that have not changed come last, as controller-runtime
// does it for every kind.
func enqueueAtLowerPriority(requests handler.MapFunc) handler.EventHandler {
	enqueue := func(ctx context.Context, object client.Object, queue queue, priority int) {
		enqueue(queue, requests(ctx, object), priority)
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			enqueue(ctx, e.Object, q, priorityOf(e.IsInInitialList))
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			priority := priorityOf(e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion())
			// The label or the owner reference may have named another execution before.
			enqueue(ctx, e.ObjectOld, q, priority)
			enqueue(ctx, e.ObjectNew, q, priority)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, e.Object, q, priorityOfChange) },
	}
}

func priorityOf(unchanged bool) int {
	if unchanged {
		return handler.LowPriority
	}
	return priorityOfChange
}

func enqueue(queue queue, requests []reconcile.Request, priority int) {
	if ordered, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		ordered.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
		return
	}
	for _, request := range requests {
		queue.Add(request)
	}
}
