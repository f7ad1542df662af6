package httpapi

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// watcher tells those who wait for an execution when it changed. It listens to the informer that every replica's
// controller keeps filled anyway, so that a waiting caller costs no request.
type watcher struct {
	mutex       sync.Mutex
	subscribers map[types.NamespacedName]map[*subscription]struct{}
}

func newWatcher() *watcher {
	return &watcher{subscribers: map[types.NamespacedName]map[*subscription]struct{}{}}
}

// subscription is one caller's interest in one execution.
type subscription struct {
	// changed has a value when the execution changed since the last one was taken. Several changes make one value.
	changed chan struct{}

	watcher *watcher
	key     types.NamespacedName

	mutex  sync.Mutex
	latest *dispatcherv1alpha1.JobExecution
	final  *dispatcherv1alpha1.JobExecution
}

// subscribe begins to collect changes of an execution, which need not exist. The caller must call close.
func (w *watcher) subscribe(key types.NamespacedName) *subscription {
	s := &subscription{changed: make(chan struct{}, 1), watcher: w, key: key}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.subscribers[key] == nil {
		w.subscribers[key] = map[*subscription]struct{}{}
	}
	w.subscribers[key][s] = struct{}{}
	return s
}

// close ends the subscription. It may be called more than once.
func (s *subscription) close() {
	s.watcher.mutex.Lock()
	defer s.watcher.mutex.Unlock()
	delete(s.watcher.subscribers[s.key], s)
	if len(s.watcher.subscribers[s.key]) == 0 {
		delete(s.watcher.subscribers, s.key)
	}
}

// state returns the execution as the informer saw it last, nil where it was deleted or has not changed since the
// subscription. It is shared, must not be changed, and may lack what the cache does not keep: its payload.
func (s *subscription) state() *dispatcherv1alpha1.JobExecution {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.latest
}

// ended returns the execution as it was when it had finished, even if it was deleted since, or nil. As state.
func (s *subscription) ended() *dispatcherv1alpha1.JobExecution {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.final
}

func (s *subscription) publish(execution *dispatcherv1alpha1.JobExecution, deleted bool) {
	s.mutex.Lock()
	s.latest = execution
	if deleted {
		s.latest = nil
	}
	if execution.IsFinished() {
		s.final = execution
	}
	s.mutex.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// listen connects the watcher to the informer of JobExecutions.
func (w *watcher) listen(ctx context.Context, informers cache.Cache) error {
	informer, err := informers.GetInformer(ctx, &dispatcherv1alpha1.JobExecution{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("starting the cache of JobExecutions: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { w.notify(object, false) },
		UpdateFunc: func(_, object any) { w.notify(object, false) },
		DeleteFunc: func(object any) { w.notify(object, true) },
	})
	if err != nil {
		return fmt.Errorf("listening to changes of JobExecutions: %w", err)
	}
	return nil
}

func (w *watcher) notify(object any, deleted bool) {
	if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	execution, ok := object.(*dispatcherv1alpha1.JobExecution)
	if !ok {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for s := range w.subscribers[types.NamespacedName{Namespace: execution.Namespace, Name: execution.Name}] {
		s.publish(execution, deleted)
	}
}

// finished waits until the execution has finished or ctx ends, and returns it as the API server has it then. Where ctx
// ends first, that is the execution as it was at the beginning or later, and no error.
func (w *watcher) finished(
	ctx context.Context,
	kubeClient *store.Store,
	key types.NamespacedName,
) (*dispatcherv1alpha1.JobExecution, error) {
	s := w.subscribe(key)
	defer s.close()
	// The subscription comes first: what happens after this read is announced.
	execution, err := kubeClient.Get(ctx, key.Namespace, key.Name)
	if err != nil {
		return nil, err
	}
	return s.until(ctx, kubeClient, execution, (*dispatcherv1alpha1.JobExecution).IsFinished)
}

// until waits until done says so of the execution, which was read after the subscription, or ctx ends, and returns it
// as the API server has it then. Where ctx ends before its time, because the caller hangs up or the server stops, it is
// the execution as it was read last. An execution that was deleted as soon as it had finished, as a TTL of 0 makes it,
// is returned as it was then; one that was deleted otherwise is not found.
func (s *subscription) until(
	ctx context.Context,
	kubeClient *store.Store,
	execution *dispatcherv1alpha1.JobExecution,
	done func(*dispatcherv1alpha1.JobExecution) bool,
) (*dispatcherv1alpha1.JobExecution, error) {
	for over := false; !done(execution) && !over; {
		select {
		case <-ctx.Done():
			over = true
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return execution, nil
			}
		case <-s.changed:
			if seen := s.state(); seen != nil && seen.UID == execution.UID && !done(seen) {
				continue
			}
		}
		found, err := s.look(ctx, kubeClient, execution)
		if err != nil && (found == nil || !done(found)) {
			return nil, err
		}
		execution = found
	}
	return execution, nil
}

// look returns an execution as the API server has it. If it was deleted, or another has its name by now, the error says
// that it was not found, and the execution is returned as it was when it had finished, where that was seen.
func (s *subscription) look(
	ctx context.Context,
	kubeClient *store.Store,
	before *dispatcherv1alpha1.JobExecution,
) (*dispatcherv1alpha1.JobExecution, error) {
	found, err := kubeClient.Get(ctx, before.Namespace, before.Name)
	if err == nil && found.UID == before.UID {
		return found, nil
	}
	if err == nil {
		err = store.NotFound(before)
	}
	last := s.ended()
	if !problem.Is(err, problem.ExecutionNotFound) || last == nil || last.UID != before.UID {
		return nil, err
	}
	last = last.DeepCopy()
	last.Spec.Payload = before.Spec.Payload
	return last, err
}
