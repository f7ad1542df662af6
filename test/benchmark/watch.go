package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// jobWatch notes when each Job appears, by one watch for all contenders. It takes metadata only, to be cheap.
type jobWatch struct {
	watch watch.Interface
	inert bool // Jobs are not started

	mutex   sync.Mutex
	seen    map[types.NamespacedName]*sighting
	changed chan struct{} // closed, and replaced, at every event
	err     error
}

// sighting is what the watch has seen of a Job.
type sighting struct {
	appeared time.Time
	// started is set when the Job controller has written the Job's status, and so has made its pod.
	started bool
}

func watchJobs(ctx context.Context, config *rest.Config, inert bool) (*jobWatch, error) {
	jobs, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	resource := jobs.Resource(batchv1.SchemeGroupVersion.WithResource("jobs"))
	first, err := resource.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("listing Jobs: %w", err)
	}
	// The API server ends a watch that cannot keep up for a moment. It goes on where it was.
	watching, err := watchtools.NewRetryWatcherWithContext(ctx, first.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: resource.Watch,
	})
	if err != nil {
		return nil, fmt.Errorf("watching Jobs: %w", err)
	}
	w := &jobWatch{watch: watching, inert: inert, seen: map[types.NamespacedName]*sighting{}, changed: make(chan struct{})}
	go w.run()
	return w, nil
}

func (w *jobWatch) stop() { w.watch.Stop() }

func (w *jobWatch) run() {
	for event := range w.watch.ResultChan() {
		w.note(event, time.Now())
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.err = fmt.Errorf("the watch of Jobs ended")
	w.wake()
}

func (w *jobWatch) note(event watch.Event, now time.Time) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	job, ok := event.Object.(*metav1.PartialObjectMetadata)
	if !ok {
		w.err = fmt.Errorf("the watch of Jobs told of %v", event.Object)
		w.wake()
		return
	}
	key := types.NamespacedName{Namespace: job.Namespace, Name: job.Name}
	switch event.Type {
	case watch.Added:
		w.seen[key] = &sighting{appeared: now, started: w.inert}
	case watch.Modified:
		w.seen[key].started = true
	}
	w.wake()
}

func (w *jobWatch) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// appearances waits until every one of the Jobs has appeared and was started, and returns when they appeared.
func (w *jobWatch) appearances(ctx context.Context, namespace string, names []string) ([]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	times := make([]time.Time, len(names))
	for i, name := range names {
		for times[i].IsZero() {
			seen, changed, err := w.look(types.NamespacedName{Namespace: namespace, Name: name})
			switch {
			case err != nil:
				return nil, err
			case seen.started:
				times[i] = seen.appeared
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, fmt.Errorf("waiting for Job %s, the %d. of %d: %w", name, i+1, len(names), ctx.Err())
			}
		}
	}
	return times, nil
}

func (w *jobWatch) look(key types.NamespacedName) (sighting, <-chan struct{}, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if seen := w.seen[key]; seen != nil {
		return *seen, w.changed, w.err
	}
	return sighting{}, w.changed, w.err
}
