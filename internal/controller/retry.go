package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"dispatcher.ivan.vc/internal/leader"
)

const (
	// minWaitInterval is the shortest time after which an execution is tried again whose Job cannot be created now.
	minWaitInterval = time.Second

	// maxWaitInterval is the longest. Nothing tells when there is room in a quota again: to watch quotas would cost an
	// event for each object that they count. 10,000 executions that wait for one are tried 33 times a second.
	maxWaitInterval = 5 * time.Minute

	// waitJitter is the share of an interval that is added at random, so that executions that began to wait together
	// are not tried together.
	waitJitter = 0.2

	// outdatedInterval is after how long an execution is tried again that has changed or is gone by an answer of the API
	// server. Its watch event mostly comes earlier.
	outdatedInterval = 5 * time.Second

	// outdatedFor is for how long this may go on. Then the cache does not lag: the answers are wrong.
	outdatedFor = 30 * time.Second

	// outdatedSize is how many of these executions this process remembers.
	outdatedSize = 8192

	// retriedSize is how many executions this process remembers whose Job was refused. It must hold those whose status
	// was written a moment ago.
	retriedSize = 8192
)

// nextStep says how a reconcile goes on that has ended with err. Only what may need somebody's attention is an error,
// which is logged, counted and retried by the work queue.
func (r *reconciler) nextStep(
	ctx context.Context, request ctrl.Request, result ctrl.Result, err error,
) (ctrl.Result, error) {
	var retryable *retryableError
	var early *earlyError
	latest := result.RequeueAfter
	outdatedForLong := r.isOutdatedForLong(request, err)
	switch {
	case err == nil:
		return result, nil
	case outdatedForLong:
		return ctrl.Result{}, err
	case errors.Is(err, leader.ErrLost):
		// The next term enqueues the execution.
		result = ctrl.Result{}
	case errors.Is(err, errOutdated):
		result = ctrl.Result{RequeueAfter: wait.Jitter(outdatedInterval, waitJitter)}
	case errors.Is(err, errReplaced):
		result = ctrl.Result{RequeueAfter: wait.Jitter(replacedFor, waitJitter)}
	case errors.Is(err, errContended), errors.Is(err, errManyRenders), errors.Is(err, errSlowNamespace):
		result = ctrl.Result{RequeueAfter: wait.Jitter(minWaitInterval, 1)}
	case errors.Is(err, errNamespaceTerminating):
		result = ctrl.Result{RequeueAfter: wait.Jitter(maxWaitInterval, waitJitter)}
	case errors.As(err, &early):
		result = ctrl.Result{RequeueAfter: early.left}
	case errors.As(err, &retryable):
		result = ctrl.Result{RequeueAfter: r.waitInterval(retryable)}
		if retryable.execution != "" {
			r.retriedAt.Add(retryable.execution, r.clock.Now().Add(result.RequeueAfter))
		}
	default:
		return ctrl.Result{}, err
	}
	result.RequeueAfter = earliest(result.RequeueAfter, latest)
	log.FromContext(ctx).V(1).Info("The execution waits", "reason", err.Error(), "retriedAfter", result.RequeueAfter)
	return result, nil
}

// waitInterval is as long as the execution has waited until now. The intervals so grow to twice the one before, whoever
// leads and however often it is enqueued in between. Where a clock was set back, they are the longest at once.
func (r *reconciler) waitInterval(retryable *retryableError) time.Duration {
	waited := r.clock.Now().Sub(retryable.since)
	if waited < -clockSkew {
		waited = maxWaitInterval
	}
	return wait.Jitter(min(max(waited, minWaitInterval), maxWaitInterval), waitJitter)
}

// earlyError says that a reconcile has come before it is time to try again.
type earlyError struct{ left time.Duration }

func (e *earlyError) Error() string { return fmt.Sprintf("it is tried again in %v", e.left) }

// early returns an error if the API server has refused the Job and it is not time to try again. A status that quotes a
// refusal enqueues its execution. Some refusals have another text each time, such as the number of a decision, so that
// an execution would be tried again as fast as the API server answers.
func (r *reconciler) early(execution types.UID) error {
	retriedAt, ok := r.retriedAt.Get(execution)
	if !ok {
		return nil
	}
	if left := retriedAt.(time.Time).Sub(r.clock.Now()); left > 0 {
		return &earlyError{left}
	}
	return nil
}

// isOutdatedForLong says whether each reconcile of the execution has ended with errOutdated for longer than a cache
// lags. It must be called at the end of each reconcile.
func (r *reconciler) isOutdatedForLong(request ctrl.Request, err error) bool {
	if !errors.Is(err, errOutdated) {
		r.outdatedSince.Remove(request.NamespacedName)
		return false
	}
	now := r.clock.Now()
	since, ok := r.outdatedSince.Get(request.NamespacedName)
	if !ok {
		r.outdatedSince.Add(request.NamespacedName, now)
		return false
	}
	return now.Sub(since.(time.Time)) > outdatedFor
}
