package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/httpapi/watch"
)

// podLogs writes the logs of the pods of one execution.
type podLogs struct {
	store        *store.Store
	memory       *memory
	subscription *watch.Subscription
	execution    *dispatcherv1alpha1.JobExecution
	asked        logQuery
	out          *logWriter

	// done has what was written, by run, and shown has the container that was written last, by pod.
	done  map[string]bool
	shown map[types.UID]string

	// over says that no more will come than what there is now.
	over bool

	// opened says that there was a log, which may be empty.
	opened bool
}

// write writes what there is, and with follow also what comes.
func (l *podLogs) write(ctx context.Context) error {
	for first := true; ; first = false {
		version, over, err := l.catchUp(ctx, first)
		if err != nil || over || !l.asked.follow || l.out.headOnly {
			return err
		}
		if err := l.change(ctx, version); err != nil {
			return err
		}
	}
}

// catchUp writes what there is and was not written yet, and tells whether no more will come. The version is that of the
// pods that it looked at.
func (l *podLogs) catchUp(ctx context.Context, first bool) (version string, over bool, err error) {
	if over, err = l.look(ctx, first); err != nil {
		return "", false, err
	}
	// Pods are asked for after the execution: when that is over, no more come.
	pods, version, err := l.pods(ctx)
	switch {
	case err != nil:
		return "", false, err
	case len(pods) == 0 && over && !l.out.begun:
		return "", false, l.gone()
	case len(pods) == 0 && !l.out.begun && (!l.asked.follow || l.asked.pod != ""):
		return "", false, noPodYet(l.execution)
	}
	chosen, err := l.asked.choose(pods)
	if err != nil && (!l.out.begun || l.asked.pod == "") {
		return "", false, err
	}
	if l.asked.pod != "" && (len(chosen) == 0 || hasEnded(&chosen[0])) {
		over = true
	}
	l.over = over
	return version, over, l.writeAll(ctx, chosen, first)
}

// pods lists the pods of the execution.
func (l *podLogs) pods(ctx context.Context) ([]corev1.Pod, string, error) {
	claim, err := l.memory.forRead(ctx, "")
	if err != nil {
		return nil, "", err
	}
	defer claim.Release()
	return l.store.Pods(ctx, l.execution)
}

// look reads the execution again, and tells whether it is over.
func (l *podLogs) look(ctx context.Context, first bool) (over bool, err error) {
	if first {
		return l.execution.IsFinished(), nil
	}
	found, err := l.subscription.Look(ctx, l.execution)
	if found != nil {
		defer found.Release()
	}
	switch {
	case problem.Is(err, problem.ExecutionNotFound):
		return true, nil
	case err != nil:
		return false, err
	}
	l.execution = watch.WithoutPayload(found.JobExecution)
	return found.IsFinished(), nil
}

// gone says why there is no log of an execution that has finished.
func (l *podLogs) gone() error {
	if l.execution.Status.Job == nil {
		return logsGone("the execution ended without a Job (%s), so nothing was printed", l.execution.Summary().Reason)
	}
	return logsGone("the pods of the execution were removed, and their logs with them")
}

// writeAll writes the logs of all containers that were started and are not written yet. What is old is left out only of
// those that were there from the beginning: of later ones, nothing is too old to be news. If there is no log, not even
// an empty one, and none will come, the error says why.
func (l *podLogs) writeAll(ctx context.Context, pods []corev1.Pod, first bool) error {
	for i := range pods {
		next, started := l.next(&pods[i])
		if !started || l.done[next.id] {
			continue
		}
		if l.out.headOnly {
			l.opened = true
			break
		}
		if err := l.writeOne(ctx, next, first); err != nil {
			return err
		}
		l.done[next.id] = true
		l.shown[next.pod.UID] = next.container
	}
	if !l.opened && !l.out.begun && (l.over || !l.asked.follow) {
		return l.noLog(pods)
	}
	// Whoever names a container is told of a wrong name, which takes a pod to know.
	if len(pods) > 0 || l.asked.container == "" || !l.asked.follow {
		l.out.begin()
	}
	return nil
}

// writeOne writes the log of one container to its end.
func (l *podLogs) writeOne(ctx context.Context, next containerRun, first bool) error {
	parameters := map[string]string{}
	if l.asked.follow {
		parameters["follow"] = "true"
	}
	if l.asked.previous {
		parameters["previous"] = "true"
	}
	if l.asked.timestamps {
		parameters["timestamps"] = "true"
	}
	if first && l.asked.tailLines != "" {
		parameters["tailLines"] = l.asked.tailLines
	}
	if first && l.asked.sinceSeconds != "" {
		parameters["sinceSeconds"] = l.asked.sinceSeconds
	}
	stream, err := l.store.Log(ctx, next.pod, next.container, parameters)
	switch {
	case errors.Is(err, store.ErrNoLog):
		return nil
	case err != nil:
		return err
	}
	defer func() { _ = stream.Close() }()
	l.opened = true
	l.out.begin()
	if err := l.out.copy(stream); err != nil {
		return fmt.Errorf("passing on the log of pod %s: %w", next.pod.Name, err)
	}
	return nil
}

// change waits until something has changed since the pods were listed.
func (l *podLogs) change(ctx context.Context, version string) error {
	changed, stop, err := l.store.WatchPods(ctx, l.execution, version)
	if err != nil {
		return err
	}
	defer stop()
	defer l.subscription.Skip() // The pods are looked at, and not the execution.
	select {
	case <-changed: // Also when the watch ends, which it does after some time.
		return nil
	case <-l.subscription.Changed():
		return nil
	case <-ctx.Done():
		return problem.New(problem.Unavailable, "nothing was printed in the time that this call may take: try again").
			Because(context.Cause(ctx))
	}
}

// logWriter writes a log to a caller, who has to take it in time.
type logWriter struct {
	http.ResponseWriter
	connection *http.ResponseController
	rec        *record
	headOnly   bool
	begun      bool
	streamTimes
}

func newLogWriter(w http.ResponseWriter, r *http.Request, times streamTimes) *logWriter {
	return &logWriter{
		ResponseWriter: w,
		streamTimes:    times,
		connection:     http.NewResponseController(w),
		rec:            recordOf(r),
		headOnly:       r.Method == http.MethodHead,
	}
}

// begin sends the headers, once.
func (w *logWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	header := w.Header()
	header.Set("Content-Type", string(mediaText)+"; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Accel-Buffering", "no") // A proxy that collects the answer would keep the log from the caller.
	header.Add("Vary", "Accept")
	w.extend()
	w.WriteHeader(http.StatusOK)
	_ = w.connection.Flush()
	rest(w.connection)
}

// copy sends what comes, as it comes.
func (w *logWriter) copy(from io.Reader) error {
	buffer := make([]byte, logBuffer)
	for {
		read, readErr := from.Read(buffer)
		if read > 0 {
			w.extend()
			if _, err := w.Write(buffer[:read]); err != nil {
				return err
			}
			if err := w.connection.Flush(); err != nil {
				return err
			}
			rest(w.connection)
		}
		switch {
		case errors.Is(readErr, io.EOF):
			return nil
		case readErr != nil:
			return readErr
		}
	}
}

// extend gives the caller the time to take what is written next.
func (w *logWriter) extend() {
	// A connection that cannot do this, which is one of a test, has no time-outs either.
	_ = w.connection.SetWriteDeadline(time.Now().Add(w.writeTimeout))
}

// end ends the answer. An error is the caller's to see: as a problem where nothing was sent yet, else by an answer that
// does not end as it should.
func (w *logWriter) end(err error) error {
	w.extend() // The end of the answer is still to be written.
	if err == nil || !w.begun {
		return err
	}
	w.rec.err = err
	panic(http.ErrAbortHandler)
}
