package httpapi

import (
	"context"
	"net/http"
	"sync"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// slots is a bounded number of places. A place that is taken has to be given back.
type slots chan struct{}

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }

type slotKey struct{}

// limitInFlight refuses a request while as many as there are slots are being handled, rather than to let all of them
// become slow and their payloads fill the memory. A request that begins to wait leaves its slot: see waiters.
func limitInFlight(inFlight slots, next http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request) error {
		if !inFlight.take() {
			return problem.New(problem.TooManyRequests, "%d requests are being handled already: try again later", cap(inFlight))
		}
		leave := sync.OnceFunc(inFlight.give)
		defer leave()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), slotKey{}, leave)))
		return nil
	})
}

// leaveSlot gives a request's slot among those in flight to another.
func leaveSlot(r *http.Request) {
	if leave, ok := r.Context().Value(slotKey{}).(func()); ok {
		leave()
	}
}

// waiters bounds the calls that wait for something to happen: long polls and streams. They take next to no CPU and
// last long, so they do not count among the requests in flight.
type waiters struct {
	slots slots

	// stopping ends when the server drains: who waits then is answered with what there is.
	stopping context.Context
	stop     context.CancelFunc
}

func newWaiters(limit int) *waiters {
	w := &waiters{slots: make(slots, limit)}
	w.stopping, w.stop = context.WithCancel(context.Background())
	return w
}

// acquire lets a request wait, or refuses it with 429 where too many do. The context that it returns is the request's,
// and ends when the server begins to stop, too. The caller must call release when it waits no more.
func (w *waiters) acquire(r *http.Request) (ctx context.Context, release func(), err error) {
	if !w.slots.take() {
		return nil, nil, problem.New(problem.TooManyRequests,
			"%d callers are waiting already: ask without waiting, or try again later", cap(w.slots))
	}
	leaveSlot(r)
	requestsWaiting.Inc()
	ctx, cancel := context.WithCancel(r.Context())
	stopWatching := context.AfterFunc(w.stopping, cancel)
	return ctx, sync.OnceFunc(func() {
		stopWatching()
		cancel()
		requestsWaiting.Dec()
		w.slots.give()
	}), nil
}
