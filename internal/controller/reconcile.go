package controller

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"dispatcher.ivan.vc/internal/leader"
)

// Reconcile moves one execution one step forward. It is idempotent, across processes too. It does nothing while this
// process does not lead: when a term begins, all executions are enqueued.
//
// A write that is refused because the object has changed is not an error: the watch event of that change enqueues the
// execution again. See isOutdatedForLong.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	term := r.lease.Begin()
	if term == nil {
		return ctrl.Result{}, nil
	}
	defer term.End()
	end, ok := r.turns.begin(request.Namespace)
	if !ok {
		return r.nextStep(ctx, request, ctrl.Result{}, errSlowNamespace)
	}
	defer end()
	result, err := r.reconcile(ctx, term, request.NamespacedName)
	return r.nextStep(ctx, request, result, err)
}

func (r *reconciler) reconcile(ctx context.Context, term *leader.Term, key types.NamespacedName) (ctrl.Result, error) {
	seen, err := r.observe(ctx, term, key)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case seen.execution == nil:
		return ctrl.Result{}, nil
	case seen.execution.IsFinished():
		return r.cleanUp(ctx, seen)
	}
	job, err := r.ensureJob(ctx, seen)
	status, result, err := r.nextStatus(ctx, seen.execution, job, err)
	if err := r.writeStatus(ctx, seen, status); err != nil {
		return ctrl.Result{}, err
	}
	return result, err
}
