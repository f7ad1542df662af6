package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// enqueueAllOnTerms enqueues all executions when a term as the leader begins, for as long as ctx lasts. What was
// enqueued before was dropped.
func (r *reconciler) enqueueAllOnTerms(ctx context.Context, queue queue) error {
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.lease.Won():
				select {
				case r.terms <- struct{}{}:
				default:
				}
				r.enqueueAll(ctx, queue)
			}
		}
	}()
	return nil
}

// enqueueAll enqueues all cached executions behind those that are new or have changed.
func (r *reconciler) enqueueAll(ctx context.Context, queue queue) {
	var executions dispatcherv1alpha1.JobExecutionList
	if err := r.client.List(ctx, &executions, client.UnsafeDisableDeepCopy); err != nil {
		// The cache has not started. Its initial list enqueues all executions.
		log.FromContext(ctx).V(1).Info("Listing the executions at the beginning of a term", "error", err.Error())
		return
	}
	requests := make([]reconcile.Request, 0, len(executions.Items))
	for i := range executions.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&executions.Items[i])})
	}
	enqueue(queue, requests, handler.LowPriority)
}
