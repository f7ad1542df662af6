package watch

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/budget"
)

// Getter reads an execution as it is now, past every cache.
type Getter func(ctx context.Context, key types.NamespacedName) (*Copy, error)

// Watcher tells those who wait for an execution when it changed. It listens to the informer that every replica's
// controller keeps filled anyway, so that a waiting call costs no request.
type Watcher struct {
	get    Getter
	shares Shares

	mutex  sync.Mutex
	topics map[types.NamespacedName]*topic
}

// Shares are what the source addresses of calls may have of the memory for reads. Each call takes what a read needs of
// that of its address, before it has a part in one.
type Shares interface {
	// Source is what a remote address counts as, the zero address where it has no limit.
	Source(remote string) netip.Addr

	// Try returns nil where it would have to wait, and Take waits.
	Try(remote string) *budget.Claim
	Take(ctx context.Context, remote string) (*budget.Claim, error)
}

// New returns a Watcher that reads with get.
func New(get Getter, shares Shares) *Watcher {
	return &Watcher{get: get, shares: shares, topics: map[types.NamespacedName]*topic{}}
}

// Listen connects the watcher to the informer of JobExecutions.
func (w *Watcher) Listen(ctx context.Context, informers cache.Cache) error {
	informer, err := informers.GetInformer(ctx, &dispatcherv1alpha1.JobExecution{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("starting the cache of JobExecutions: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { w.Notify(object, false) },
		UpdateFunc: func(_, object any) { w.Notify(object, false) },
		DeleteFunc: func(object any) { w.Notify(object, true) },
	})
	if err != nil {
		return fmt.Errorf("listening to changes of JobExecutions: %w", err)
	}
	return nil
}

// Notify tells those who wait for an execution that it changed or was deleted.
func (w *Watcher) Notify(object any, deleted bool) {
	if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	execution, ok := object.(*dispatcherv1alpha1.JobExecution)
	if !ok {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if t := w.topics[types.NamespacedName{Namespace: execution.Namespace, Name: execution.Name}]; t != nil {
		t.change(execution, deleted)
	}
}

// Subscribe begins to collect changes of an execution, which need not exist, for a call from a remote address. The
// caller must call Close.
func (w *Watcher) Subscribe(key types.NamespacedName, remote string) *Subscription {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	t := w.topics[key]
	if t == nil {
		t = &topic{key: key, subscriptions: map[*Subscription]struct{}{}}
		w.topics[key] = t
	}
	s := &Subscription{changed: make(chan struct{}, 1), watcher: w, topic: t, remote: remote}
	t.subscriptions[s] = struct{}{}
	return s
}

// Subscriptions is how many there are.
func (w *Watcher) Subscriptions() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	total := 0
	for _, t := range w.topics {
		total += len(t.subscriptions)
	}
	return total
}

// Waiting is how many subscriptions there are whose calls wait for a change.
func (w *Watcher) Waiting() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	total := 0
	for _, t := range w.topics {
		for s := range t.subscriptions {
			if s.attentive {
				total++
			}
		}
	}
	return total
}

// topic is one execution that somebody waits for. The watcher's mutex guards it.
type topic struct {
	key           types.NamespacedName
	subscriptions map[*Subscription]struct{}

	// changes counts what was announced.
	changes int

	// latest is the execution as the informer saw it last, nil where it was deleted, and final as it was when it had
	// finished.
	latest, final *dispatcherv1alpha1.JobExecution

	// behind is how many of those that waited for the last change have not looked at it yet.
	behind int

	// read is the execution as it was read after the last change. It is kept for those that are behind, which look at it
	// at once. For others it is not: how long they take is for their callers to say.
	read *sharedRead
}

// sharedRead is one read for all who want it.
type sharedRead struct {
	done chan struct{}
	copy *Copy
	size int64 // that the copy takes before it is encoded
	err  error

	// accounts are those of the addresses that have a part in it.
	accounts map[netip.Addr]*account

	// holds are the topic, the read itself, and those who wait for it. The last lets go of the copy.
	holds int
}

func (r *sharedRead) unhold() {
	if r.holds--; r.holds == 0 && r.copy != nil {
		r.copy.Release()
	}
}

func (t *topic) change(execution *dispatcherv1alpha1.JobExecution, deleted bool) {
	t.changes++
	t.dropRead()
	t.latest = execution
	if deleted {
		t.latest = nil
	}
	if execution.IsFinished() {
		t.final = execution
	}
	for s := range t.subscriptions {
		if s.attentive && !s.behind {
			s.behind = true
			t.behind++
		}
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
}

func (t *topic) dropRead() {
	if t.read != nil {
		t.read.unhold()
		t.read = nil
	}
}

// caughtUp notes that a subscription has looked at the last change, or does not want to.
func (t *topic) caughtUp(s *Subscription) {
	s.attentive = false
	if s.behind {
		s.behind = false
		t.behind--
	}
	t.tidy()
}

// tidy lets go of a read that nobody is behind for any more.
func (t *topic) tidy() {
	if t.read == nil || t.behind > 0 {
		return
	}
	select {
	case <-t.read.done:
		t.dropRead()
	default: // Whoever asks before it is done shares it.
	}
}
