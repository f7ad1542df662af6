package controller

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
)

const (
	// policyDelay is after how long templates are tried whose namespace has changed: the API server that makes the dry
	// run learns of the change at about the same time as this process.
	policyDelay = time.Second

	// policyLag is for how long a verdict may come from policies as they were: some API servers learn of a change later,
	// and remember for 30 seconds that a namespace has no quota. Verdicts of that time are checked once more.
	policyLag = 35 * time.Second

	// policyRecheck is when. Whatever the jitter, it is later than policyLag.
	policyRecheck = 40 * time.Second

	// policiesChangedSize is of how many namespaces this process remembers when their policies changed.
	policiesChangedSize = 1024
)

// newOrChangedTemplate passes templates that are new, or of which anything changed that matters to their Jobs. A change
// of the status does not.
var newOrChangedTemplate = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
			e.ObjectOld.GetUID() != e.ObjectNew.GetUID() ||
			objectcache.Fingerprint(e.ObjectOld) != objectcache.Fingerprint(e.ObjectNew)
	},
	DeleteFunc: func(event.DeleteEvent) bool { return false },
}

// namespaceItself returns the name of a namespace.
func namespaceItself(namespace client.Object) string { return namespace.GetName() }

// +kubebuilder:rbac:groups="",resources=namespaces;resourcequotas;limitranges,verbs=list;watch

// policyHandler enqueues the templates of the namespace that a policy is about.
func (r *templateReconciler) policyHandler(namespaceOf func(client.Object) string) handler.EventHandler {
	changed := func(ctx context.Context, policy client.Object, queue queue) {
		namespace := namespaceOf(policy)
		r.policiesChanged.Add(namespace, r.clock.Now())
		r.enqueueTemplates(ctx, queue, namespace, policyDelay)
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				changed(ctx, e.Object, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if objectcache.Fingerprint(e.ObjectOld) != objectcache.Fingerprint(e.ObjectNew) {
				changed(ctx, e.ObjectNew, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { changed(ctx, e.Object, q) },
	}
}

// enqueueTemplates enqueues the templates of a namespace, or all if it is empty, behind those that are new or changed.
func (r *templateReconciler) enqueueTemplates(ctx context.Context, queue queue, namespace string, after time.Duration) {
	var templates dispatcherv1alpha1.JobTemplateList
	if err := r.client.List(ctx, &templates, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		// The cache has not started. Its initial list enqueues all templates.
		log.FromContext(ctx).V(1).Info("Listing the templates", "namespace", namespace, "error", err.Error())
		return
	}
	priority := handler.LowPriority
	if namespace != "" {
		priority = priorityOfChange
	}
	ordered, hasPriorities := queue.(priorityqueue.PriorityQueue[reconcile.Request])
	for i := range templates.Items {
		request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&templates.Items[i])}
		if hasPriorities {
			ordered.AddWithOpts(priorityqueue.AddOpts{After: after, Priority: &priority}, request)
		} else {
			queue.AddAfter(request, after)
		}
	}
}
