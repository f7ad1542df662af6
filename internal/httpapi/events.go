package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
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
	subscription := e.watcher.subscribe(types.NamespacedName{Namespace: named.Namespace, Name: named.Execution})
	defer subscription.close()
	execution, err := e.lookUp(r, named, "get")
	if err != nil {
		return err
	}
	stream := &eventStream{
		w:            w,
		connection:   http.NewResponseController(w),
		keepAlive:    keepAliveInterval,
		writeTimeout: streamWriteTimeout,
	}
	header := w.Header()
	header.Add("Vary", "Accept")
	if r.Header.Get("Last-Event-ID") == execution.ResourceVersion {
		stream.sent = execution
		if execution.IsFinished() {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	ctx, release, err := e.waiting(w, r, maxStream)
	if err != nil {
		return err
	}
	defer release()
	header.Set("Content-Type", string(mediaEvents))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Accel-Buffering", "no") // A proxy that collects the answer would keep the events from the caller.
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	stream.follow(ctx, subscription, e.store, execution)
	return nil
}

// eventStream writes the states of one execution.
type eventStream struct {
	w          http.ResponseWriter
	connection *http.ResponseController

	// keepAlive is how often something is written although there is nothing to say.
	keepAlive time.Duration

	// writeTimeout is how long the caller may take to take one event.
	writeTimeout time.Duration

	// sent is what the caller has seen last, nil at the beginning.
	sent *dispatcherv1alpha1.JobExecution
}

// follow writes execution, and then every other state of it, until it ends, ctx ends, or the caller does not read.
func (s *eventStream) follow(
	ctx context.Context,
	subscription *subscription,
	kubeClient *store.Store,
	execution *dispatcherv1alpha1.JobExecution,
) {
	keepAlive := time.NewTicker(s.keepAlive)
	defer keepAlive.Stop()
	defer s.extend() // The end of the answer is still to be written.
	// Where there is no news yet, the caller is told at least that the stream is open.
	if s.write(": "+locationOf(execution)+"\n\n") != nil || s.send(execution) != nil {
		return
	}
	for open, behind := true, false; open && !execution.IsFinished(); {
		select {
		case <-ctx.Done():
			return
		case <-keepAlive.C:
			if s.write(": keep-alive\n\n") != nil {
				return
			}
			if !behind {
				continue
			}
		case <-subscription.changed:
			if seen := subscription.state(); seen != nil && seen.UID == execution.UID && !s.isNews(seen) {
				continue
			}
		}
		execution, behind, open = s.catchUp(ctx, subscription, kubeClient, execution)
	}
}

// catchUp looks at an execution and writes it, if there is news. It returns it as it is, whether the API server could
// not be asked, so that it has to be with the next sign of life, and whether more may follow.
func (s *eventStream) catchUp(
	ctx context.Context,
	subscription *subscription,
	kubeClient *store.Store,
	execution *dispatcherv1alpha1.JobExecution,
) (now *dispatcherv1alpha1.JobExecution, behind, open bool) {
	found, err := subscription.look(ctx, kubeClient, execution)
	switch {
	case found != nil:
		return found, false, s.send(found) == nil
	case problem.Is(err, problem.ExecutionNotFound):
		_ = s.event("deleted", execution)
		return execution, false, false
	}
	return execution, true, true
}

// send writes an execution, if the caller has not seen its status yet.
func (s *eventStream) send(execution *dispatcherv1alpha1.JobExecution) error {
	if !s.isNews(execution) {
		return nil
	}
	s.sent = execution
	return s.event("execution", execution)
}

func (s *eventStream) isNews(execution *dispatcherv1alpha1.JobExecution) bool {
	return s.sent == nil || s.sent.Generation != execution.Generation ||
		!equality.Semantic.DeepEqual(s.sent.Status, execution.Status)
}

func (s *eventStream) event(kind string, execution *dispatcherv1alpha1.JobExecution) error {
	data, err := json.Marshal(published(execution))
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	// JSON of this encoder has no line breaks.
	return s.write(fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", execution.ResourceVersion, kind, data))
}

// write sends text at once, to a caller that takes it in time.
func (s *eventStream) write(text string) error {
	s.extend()
	if _, err := io.WriteString(s.w, text); err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	if err := s.connection.Flush(); err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	return nil
}

// extend gives the caller the time to take what is written next.
func (s *eventStream) extend() {
	// A connection that cannot do this, which is one of a test, has no time-outs either.
	_ = s.connection.SetWriteDeadline(time.Now().Add(s.writeTimeout))
}
