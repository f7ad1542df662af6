package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/watch"
)

// events answers with a stream of server-sent events (the HTML standard, section 9.2): the execution as it is, and
// again whenever its status has changed, until it has finished or is deleted. Of several changes at once there is one
// event. What a caller has seen already, by its Last-Event-ID, is not repeated; where nothing can come after that, the
// answer is 204, at which a browser stops to ask.
func (e *executions) events(w http.ResponseWriter, r *http.Request) error {
	named, err := executionOf(r)
	if err != nil {
		return err
	}
	if _, err := negotiate(r, mediaEvents); err != nil {
		return err
	}
	if _, err := queryOf(r); err != nil {
		return err
	}
	key := types.NamespacedName{Namespace: named.Namespace, Name: named.Execution}
	subscription := e.watcher.Subscribe(key, r.RemoteAddr)
	defer subscription.Close()
	execution, err := e.lookUp(r, named, "get")
	if err != nil {
		return err
	}
	stream := &eventStream{
		w:           w,
		connection:  http.NewResponseController(w),
		memory:      answerMemory{e.memory.reads, w, r},
		streamTimes: e.times,
	}
	header := w.Header()
	header.Add("Vary", "Accept")
	if r.Header.Get("Last-Event-ID") == execution.ResourceVersion {
		stream.sent = watch.WithoutPayload(execution.JobExecution)
		if execution.IsFinished() {
			execution.Release()
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	ctx, release, err := e.waiting(w, r, maxStream)
	if err != nil {
		execution.Release()
		return err
	}
	defer release()
	header.Set("Content-Type", string(mediaEvents))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Accel-Buffering", "no") // A proxy that collects the answer would keep the events from the caller.
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		execution.Release()
		return nil
	}
	stream.follow(ctx, subscription, execution)
	return nil
}

// streamTimes are those of every stream.
type streamTimes struct {
	// keepAlive is how often something is written although there is nothing to say.
	keepAlive time.Duration

	// writeTimeout is how long the caller may take to take what is written.
	writeTimeout time.Duration
}

// eventStream writes the states of one execution.
type eventStream struct {
	w          http.ResponseWriter
	connection *http.ResponseController
	memory     watch.Memory

	streamTimes

	// sent is what the caller has seen last, without its payload, nil at the beginning.
	sent *dispatcherv1alpha1.JobExecution
}

// follow writes an execution, and then every other state of it, until it ends, ctx ends, or the caller does not read.
// It releases the execution, and keeps no payload while nothing happens.
func (s *eventStream) follow(ctx context.Context, subscription *watch.Subscription, found *watch.Copy) {
	keepAlive := time.NewTicker(s.keepAlive)
	defer keepAlive.Stop()
	defer s.extend() // The end of the answer is still to be written.
	execution := watch.WithoutPayload(found.JobExecution)
	// Where there is no news yet, the caller is told at least that the stream is open.
	err := s.write([]byte(": " + locationOf(execution) + "\n\n"))
	if err == nil {
		err = s.send(found)
	}
	found.Release()
	if err != nil {
		return
	}
	for open, behind := true, false; open && !execution.IsFinished(); {
		select {
		case <-ctx.Done():
			return
		case <-keepAlive.C:
			subscription.Busy()
			if s.write([]byte(": keep-alive\n\n")) != nil {
				return
			}
			if !behind {
				continue
			}
		case <-subscription.Changed():
			if seen := subscription.State(); seen != nil && seen.UID == execution.UID && !s.isNews(seen) {
				subscription.Skip()
				continue
			}
		}
		execution, behind, open = s.catchUp(ctx, subscription, execution)
	}
}

// catchUp looks at an execution and writes it, if there is news. It returns it as it is, whether the API server could
// not be asked, so that it has to be with the next sign of life, and whether more may follow.
func (s *eventStream) catchUp(
	ctx context.Context,
	subscription *watch.Subscription,
	execution *dispatcherv1alpha1.JobExecution,
) (now *dispatcherv1alpha1.JobExecution, behind, open bool) {
	found, err := subscription.Look(ctx, execution)
	switch {
	case found != nil:
		defer found.Release()
		return watch.WithoutPayload(found.JobExecution), false, s.send(found) == nil
	case problem.Is(err, problem.ExecutionNotFound):
		gone := watch.NewCopy(execution, nil)
		defer gone.Release()
		_ = s.event("deleted", gone)
		return execution, false, false
	}
	return execution, true, true
}

// send writes an execution, if the caller has not seen its status yet.
func (s *eventStream) send(execution *watch.Copy) error {
	if !s.isNews(execution.JobExecution) {
		return nil
	}
	s.sent = watch.WithoutPayload(execution.JobExecution)
	return s.event("execution", execution)
}

func (s *eventStream) isNews(execution *dispatcherv1alpha1.JobExecution) bool {
	return s.sent == nil || s.sent.Generation != execution.Generation ||
		!equality.Semantic.DeepEqual(s.sent.Status, execution.Status)
}

func (s *eventStream) event(kind string, execution *watch.Copy) error {
	data, err := execution.Encoded(string(mediaJSON), func(execution *dispatcherv1alpha1.JobExecution) ([]byte, error) {
		return encodeJSON(published(execution))
	}, s.memory)
	if err != nil {
		return err
	}
	// JSON of this encoder has no line breaks, but for one at its end.
	return s.write(fmt.Appendf(nil, "id: %s\nevent: %s\ndata: ", execution.ResourceVersion, kind), data, []byte("\n"))
}

// write sends text at once, to a caller that takes it in time.
func (s *eventStream) write(parts ...[]byte) error {
	s.extend()
	for _, part := range parts {
		if _, err := s.w.Write(part); err != nil {
			return fmt.Errorf("writing an event: %w", err)
		}
	}
	if err := s.connection.Flush(); err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	rest(s.connection)
	return nil
}

// extend gives the caller the time to take what is written next.
func (s *eventStream) extend() {
	// A connection that cannot do this, which is one of a test, has no time-outs either.
	_ = s.connection.SetWriteDeadline(time.Now().Add(s.writeTimeout))
}
