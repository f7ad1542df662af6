package controller

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Reconcile brings one execution a step further. Any number of calls, by any number of processes, one after the other,
// come to the same end.
//
// A write that is refused since the object changed is no error: the change is on its way as a watch event, and the
// execution is looked at again when it arrives.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	result, err := r.reconcile(ctx, request.NamespacedName)
	if errors.Is(err, errOutdated) || errors.Is(err, errNamespaceTerminating) {
		log.FromContext(ctx).V(1).Info("Nothing done", "reason", err.Error())
		return ctrl.Result{}, nil
	}
	return result, err
}

func (r *reconciler) reconcile(ctx context.Context, key types.NamespacedName) (ctrl.Result, error) {
	seen, err := r.observe(ctx, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.releaseLeftovers(ctx, key, seen.leftovers); err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case seen.execution == nil:
		return ctrl.Result{}, nil
	case isFinished(seen.execution):
		return r.afterFinished(ctx, seen)
	}

	job, jobErr := r.ensureJob(ctx, seen)
	status, retry := r.judge(ctx, seen.execution, job, jobErr)
	if err := r.writeStatus(ctx, seen.execution, status); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, retry
}
