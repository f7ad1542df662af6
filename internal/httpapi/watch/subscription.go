package watch

import (
	"context"
	"errors"
	"net/netip"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// Subscription is one call's interest in one execution.
type Subscription struct {
	changed chan struct{}
	watcher *Watcher
	topic   *topic
	remote  string

	// attentive says that the call waits for a change, so that it looks at it at once, and behind that it did not look at
	// the last one yet. The watcher's mutex guards them.
	attentive, behind bool
}

// Changed has a value when the execution changed since the last one was taken. Several changes make one value. Whoever
// takes it calls Look or Skip at once, and whoever takes none calls Changed again, or Busy.
func (s *Subscription) Changed() <-chan struct{} {
	s.watcher.mutex.Lock()
	defer s.watcher.mutex.Unlock()
	s.attentive = true
	return s.changed
}

// Busy says that the call does something that may take long, like writing to its caller, before it looks at a change:
// no payload is kept for it meanwhile.
func (s *Subscription) Busy() { s.Skip() }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	w, t := s.watcher, s.topic
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(t.subscriptions, s)
	t.caughtUp(s)
	if len(t.subscriptions) == 0 && w.topics[t.key] == t {
		delete(w.topics, t.key)
	}
}

// State returns the execution as the informer saw it last, nil where it was deleted or nothing was seen of it. It is
// shared, must not be changed, and may lack what the cache does not keep: its payload.
func (s *Subscription) State() *dispatcherv1alpha1.JobExecution {
	s.watcher.mutex.Lock()
	defer s.watcher.mutex.Unlock()
	return s.topic.latest
}

// Skip says that the last change need not be read.
func (s *Subscription) Skip() {
	s.watcher.mutex.Lock()
	defer s.watcher.mutex.Unlock()
	s.topic.caughtUp(s)
}

// Await waits until done says so of an execution, which was read after the subscription began, or until ctx ends, and
// returns it as the API server has it then. An execution that was deleted as soon as it had finished, as a TTL of 0
// makes it, is returned as it was then, with the payload of execution; one that was deleted otherwise is not found.
// Where the caller hung up nobody looks at the result, and nothing is read for it.
func (s *Subscription) Await(
	ctx context.Context,
	execution *dispatcherv1alpha1.JobExecution,
	done func(*dispatcherv1alpha1.JobExecution) bool,
) (*Copy, error) {
	for {
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.Canceled) {
				return NewCopy(execution, nil), nil
			}
			return s.Look(ctx, execution)
		case <-s.Changed():
		}
		if seen := s.State(); seen != nil && seen.UID == execution.UID && !done(seen) {
			s.Skip()
			continue
		}
		found, err := s.Look(ctx, execution)
		if err != nil {
			if found != nil && done(found.JobExecution) {
				return found, nil
			}
			return nil, err
		}
		if done(found.JobExecution) {
			return found, nil
		}
		execution = WithoutPayload(found.JobExecution)
		found.Release()
	}
}

// AwaitFrom is Await for an execution that the call has a copy of, which it releases before it waits.
func (s *Subscription) AwaitFrom(
	ctx context.Context,
	first *Copy,
	done func(*dispatcherv1alpha1.JobExecution) bool,
) (*Copy, error) {
	if done(first.JobExecution) {
		return first, nil
	}
	execution := WithoutPayload(first.JobExecution)
	first.Release()
	return s.Await(ctx, execution, done)
}

// Look returns an execution as the API server has it after the last change. Where it was deleted, or another has its
// name by now, the error says that it was not found, and the execution is returned as it was when it had finished, if
// that was seen. The caller must release what it gets.
func (s *Subscription) Look(ctx context.Context, before *dispatcherv1alpha1.JobExecution) (*Copy, error) {
	found, err := s.read(ctx)
	if err == nil && found.UID == before.UID {
		return found, nil
	}
	if err == nil {
		found.Release()
		err = store.NotFound(before)
	}
	s.watcher.mutex.Lock()
	last := s.topic.final
	s.watcher.mutex.Unlock()
	if !problem.Is(err, problem.ExecutionNotFound) || last == nil || last.UID != before.UID {
		return nil, err
	}
	// The informer has left out the kind, most of the metadata, and the payload.
	ended := *before
	ended.ResourceVersion, ended.Generation = last.ResourceVersion, last.Generation
	ended.Spec.Canceled, ended.Status = last.Spec.Canceled, last.Status
	return NewCopy(&ended, nil), err
}

// read reads the execution once for all who ask after the same change. It does not end with ctx: a caller that hangs up
// would look like an API server that is away, and others may wait for the same read.
func (s *Subscription) read(ctx context.Context) (*Copy, error) {
	ctx = context.WithoutCancel(ctx)
	read, account, err := s.join(ctx)
	if err != nil {
		return nil, err
	}
	<-read.done

	w := s.watcher
	w.mutex.Lock()
	defer w.mutex.Unlock()
	defer read.unhold()
	if read.err != nil {
		account.leave()
		return nil, read.err
	}
	return read.copy.sharedWith(account), nil
}

// join returns the read of the last change, which it begins if nobody has, and the account that it is charged to. Where
// the address has its share, the call waits for that first, and neither keeps the read for itself nor keeps others from
// it.
func (s *Subscription) join(ctx context.Context) (*sharedRead, *account, error) {
	w, t := s.watcher, s.topic
	source := w.shares.Source(s.remote)
	var claim *budget.Claim
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for {
		if read := t.read; read != nil {
			if account := read.accounts[source]; account != nil && account.enter() {
				claim.Release()
				read.holds++
				t.caughtUp(s)
				return read, account, nil
			}
		}
		if claim == nil {
			claim = w.shares.Try(s.remote)
		}
		if claim != nil {
			read := t.read
			if read == nil {
				read = &sharedRead{done: make(chan struct{}), holds: 2, accounts: map[netip.Addr]*account{}}
				t.read = read
				go w.fetch(ctx, t, read)
			}
			account := newAccount(claim, 0)
			if read.copy != nil {
				account.settle(read.size)
			}
			read.accounts[source] = account
			read.holds++
			t.caughtUp(s)
			return read, account, nil
		}
		t.caughtUp(s)
		w.mutex.Unlock()
		var err error
		claim, err = w.shares.Take(ctx, s.remote)
		w.mutex.Lock()
		if err != nil {
			return nil, nil, err
		}
	}
}

func (w *Watcher) fetch(ctx context.Context, t *topic, read *sharedRead) {
	found, err := w.get(ctx, t.key)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	read.copy, read.err = found, err
	close(read.done)
	if err == nil {
		read.size = found.content.claimed()
		for _, account := range read.accounts {
			account.settle(read.size)
		}
	} else if t.read == read {
		t.dropRead()
	}
	t.tidy()
	read.unhold()
}
