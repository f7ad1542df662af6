package controller

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"dispatcher.ivan.vc/internal/leader"
)

// Reconcile moves one execution one step forward. It is idempotent, across processes too. It does nothing while this process
// does not lead: when a term begins, all executions are enqueued.
//
// A write that is refused because the object has changed is not an error: the watch event of that change will enqueue
// the execution again.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	term := r.lease.Begin()
	if term == nil {
		return ctrl.Result{}, nil
	}
	defer term.End()
	result, err := r.reconcile(ctx, term, request.NamespacedName)
	if errors.Is(err, errOutdated) || errors.Is(err, errNamespaceTerminating) || errors.Is(err, leader.ErrLost) {
		log.FromContext(ctx).V(1).Info("Nothing done", "reason", err.Error())
		return ctrl.Result{}, nil
	}
	return result, err
}

func (r *reconciler) reconcile(ctx context.Context, term *leader.Term, key types.NamespacedName) (ctrl.Result, error) {
	seen, err := r.observe(ctx, term, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case seen.execution == nil:
		return ctrl.Result{}, nil
	case seen.execution.IsFinished():
		return r.cleanUp(ctx, seen)
	}

	job, jobErr := r.ensureJob(ctx, seen)
	status, retry := r.nextStatus(ctx, seen.execution, job, jobErr)
	if err := r.writeStatus(ctx, seen, status); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, retry
}
