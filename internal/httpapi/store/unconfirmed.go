package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// unconfirmedCreates are executions whose callers were told of an error while the API server may still have been
// storing them. Those that turn up are deleted, with their Jobs.
//
// This is an effort and not a promise: such an execution may have started a Job before it is deleted, and the search
// ends with the process. It ends, too, when the object cannot appear any more, or after a bounded time.
type unconfirmedCreates struct {
	store *Store
	log   logr.Logger
	now   func() time.Time

	mutex   sync.Mutex
	entries []*unconfirmedCreate
}

type unconfirmedCreate struct {
	execution *dispatcherv1alpha1.JobExecution
	since     time.Time
}

// Run deletes executions that turn up after their caller was told that the create failed, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.unconfirmed.sweep(ctx)
		}
	}
}

// Close looks for such executions one last time, and logs those of which it is still unknown whether they exist.
func (s *Store) Close(ctx context.Context) {
	u := s.unconfirmed
	u.sweep(ctx)
	for _, entry := range u.list() {
		u.log.Info(
			"stopping before it is known whether an execution exists whose create failed",
			identify(entry.execution)...)
	}
}

// add begins to look for an execution.
func (u *unconfirmedCreates) add(execution *dispatcherv1alpha1.JobExecution) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if len(u.entries) >= maxUnconfirmed {
		u.log.Info(
			"too many creates were not answered: an execution may exist although its caller was told that the create failed",
			identify(execution)...)
		return
	}
	// Of the execution, only what tells it from others is kept: payloads are large.
	kept := &dispatcherv1alpha1.JobExecution{ObjectMeta: *execution.ObjectMeta.DeepCopy()}
	u.entries = append(u.entries, &unconfirmedCreate{execution: kept, since: u.now()})
}

// sweep looks once for every entry, for many at a time, and forgets those that are settled. Entries stay on the list
// while they are looked for, so that its bound holds.
func (u *unconfirmedCreates) sweep(ctx context.Context) {
	var lookups errgroup.Group
	lookups.SetLimit(maxConcurrentLookups)
	for _, entry := range u.list() {
		lookups.Go(func() error {
			if u.settle(ctx, entry) {
				u.forget(entry)
			}
			return nil
		})
	}
	_ = lookups.Wait()
}

func (u *unconfirmedCreates) list() []*unconfirmedCreate {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return slices.Clone(u.entries)
}

func (u *unconfirmedCreates) forget(settled *unconfirmedCreate) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.entries = slices.DeleteFunc(u.entries, func(entry *unconfirmedCreate) bool { return entry == settled })
}

// settle deletes an execution if it has turned up, and tells whether it need not be looked for any more.
func (u *unconfirmedCreates) settle(ctx context.Context, entry *unconfirmedCreate) bool {
	log := u.log.WithValues(identify(entry.execution)...)
	age := u.now().Sub(entry.since) // as the look-up begins: what it does not find was not there then
	found, err := u.store.get(ctx, entry.execution.Namespace, entry.execution.Name)
	switch {
	case isAbsent(err, entry.execution.Name):
		return age >= settledAfter
	case err == nil && !sameRequest(found, entry.execution):
		return true
	case err == nil:
		_, err = u.store.delete(ctx, found)
		if err == nil || isAbsent(err, found.Name) || isOfAnother(err) {
			log.Info("deleted an execution that was stored after its caller had been told of an error")
			return true
		}
	}
	if age >= unconfirmedTimeout {
		log.Error(err, "giving up: an execution may exist although its caller was told that the create failed")
		return true
	}
	return false
}

// identify names an execution in the log.
func identify(execution *dispatcherv1alpha1.JobExecution) []any {
	return []any{
		"namespace", execution.Namespace,
		"jobExecution", execution.Name,
		"requestID", execution.Annotations[dispatcherv1alpha1.AnnotationRequestID],
	}
}
