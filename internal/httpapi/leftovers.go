package httpapi

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// leftovers are executions whose callers were told of an error while the API server may still have been storing them.
// Those that turn up are deleted, with their Jobs.
//
// This is an effort and not a promise: such an execution may have started a Job before it is deleted, and the search
// ends with the process. It ends, too, when the object cannot appear any more, or after a bounded time.
type leftovers struct {
	apiServer *apiServer
	log       logr.Logger

	mutex   sync.Mutex
	entries []leftover
}

type leftover struct {
	execution *dispatcherv1alpha1.JobExecution
	since     time.Time
}

// add begins to look for an execution.
func (l *leftovers) add(execution *dispatcherv1alpha1.JobExecution) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.entries) >= maxLeftovers {
		l.log.Info("too many creates were left unanswered: an execution that its caller holds for failed may exist", naming(execution)...)
		return
	}
	// Of the execution, only what tells it from others is kept: payloads are large.
	kept := &dispatcherv1alpha1.JobExecution{ObjectMeta: *execution.ObjectMeta.DeepCopy()}
	l.entries = append(l.entries, leftover{execution: kept, since: time.Now()})
}

// run looks for leftovers until ctx ends.
func (l *leftovers) run(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			l.sweep(ctx, now)
		}
	}
}

// close looks for leftovers one last time, and names those that it could not settle.
func (l *leftovers) close(ctx context.Context) {
	l.sweep(ctx, time.Now())
	for _, left := range l.take() {
		l.log.Info("stopping before it is known whether an execution exists that its caller holds for failed", naming(left.execution)...)
	}
}

// sweep looks once for every leftover, and forgets those that are settled.
func (l *leftovers) sweep(ctx context.Context, now time.Time) {
	var unsettled []leftover
	for _, left := range l.take() {
		if !l.settle(ctx, left, now) {
			unsettled = append(unsettled, left)
		}
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.entries = append(unsettled, l.entries...)
}

func (l *leftovers) take() []leftover {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	taken := l.entries
	l.entries = nil
	return taken
}

// settle deletes a leftover if it has turned up, and tells whether it need not be looked for any more.
func (l *leftovers) settle(ctx context.Context, left leftover, now time.Time) bool {
	log := l.log.WithValues(naming(left.execution)...)
	age := now.Sub(left.since)
	found, err := l.apiServer.get(ctx, left.execution.Namespace, left.execution.Name)
	switch {
	case apierrors.IsNotFound(err):
		return age >= settledAfter
	case err == nil && !sameRequest(found, left.execution):
		return true
	case err == nil:
		_, err = l.apiServer.delete(ctx, found)
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			log.Info("deleted an execution that was stored after its caller had been told of an error")
			return true
		}
	}
	if age >= leftoverTimeout {
		log.Error(err, "giving up: an execution that its caller holds for failed may exist")
		return true
	}
	return false
}

func naming(execution *dispatcherv1alpha1.JobExecution) []any {
	return []any{
		"namespace", execution.Namespace,
		"jobExecution", execution.Name,
		"requestID", execution.Annotations[dispatcherv1alpha1.AnnotationRequestID],
	}
}
