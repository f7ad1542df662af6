package controller

import (
	"context"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// priorityOfChange is that of an execution whose Job or pod has changed: below a new execution's, which is 0, and above that of
// those that were there when the process started, which is -100.
const priorityOfChange = -1

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// behindNewExecutions queues the executions that requests names behind those that are new. When there is more to do than
// the API server can store, what waits then is a status and not a Job. What is no change waits behind both, as
// controller-runtime has it for every kind.
func behindNewExecutions(requests handler.MapFunc) handler.EventHandler {
	enqueue := func(ctx context.Context, object client.Object, queue queue, priority int) {
		addAll(queue, requests(ctx, object), priority)
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			enqueue(ctx, e.Object, q, priorityOf(e.IsInInitialList))
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			priority := priorityOf(e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion())
			// A label or a reference that was changed named another execution before.
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

func addAll(queue queue, requests []reconcile.Request, priority int) {
	if ordered, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		ordered.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
		return
	}
	for _, request := range requests {
		queue.Add(request)
	}
}
