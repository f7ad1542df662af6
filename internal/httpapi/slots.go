package httpapi

import (
	"container/list"
	"context"
	"errors"
	"net/http"
	"sync"

	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

type placeKey struct{}

// limitInFlight refuses a request while as many as there are places are being handled, rather than to let all of them
// become slow. A place is for work: it is lent to others while a body arrives, and left by a request that begins to
// wait.
func limitInFlight(inFlight *budget.Places, next http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request) error {
		place, err := inFlight.Take(r.RemoteAddr)
		if err != nil {
			return tooMany(err, inFlight, "requests are being handled already: try again later")
		}
		defer place.Leave()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), placeKey{}, place)))
		return nil
	})
}

// placeOf returns the place of a request among those in flight.
func placeOf(r *http.Request) *budget.Place {
	place, _ := r.Context().Value(placeKey{}).(*budget.Place)
	return place
}

// tooMany tells a caller that it got no place.
func tooMany(err error, places *budget.Places, what string) error {
	if errors.Is(err, budget.ErrShare) {
		return problem.New(problem.TooManyRequests, "%d of your address's %s", places.Share(), what).Because(err)
	}
	return problem.New(problem.TooManyRequests, "%d %s", places.Limit(), what).Because(err)
}

var (
	// errStopping ends what waits when the server begins to stop.
	errStopping = errors.New("the server is stopping")

	// errMakeRoom ends a wait of a shared address for one of another.
	errMakeRoom = errors.New("others need the place")
)

// waiters bounds the calls that wait for something to happen: long polls and streams. They take next to no CPU and
// last long, so they do not count among the requests in flight.
type waiters struct {
	places *budget.Places

	// shared are the waits of addresses that many callers share, the oldest first.
	mutex  sync.Mutex
	shared list.List

	// stopping ends when the server drains: who waits then is answered with what there is.
	stopping context.Context
	stop     context.CancelFunc
}

func newWaiters(limit int, shared budget.Addresses) *waiters {
	w := &waiters{places: budget.NewPlaces(limit, shared)}
	w.stopping, w.stop = context.WithCancel(context.Background())
	return w
}

// acquire lets a request wait, or refuses it with 429 where too many do. The context that it returns is the
// request's, and ends when the server begins to stop, too. The caller must call release when it waits no more. The
// request keeps its place among those in flight until it leaves that.
func (w *waiters) acquire(r *http.Request) (ctx context.Context, release func(), err error) {
	place, err := w.places.Take(r.RemoteAddr)
	if errors.Is(err, budget.ErrFull) && !w.places.Shared(r.RemoteAddr) && w.makeRoom() {
		place, err = w.places.Await(r.Context(), r.RemoteAddr, makeRoomTimeout)
	}
	if err != nil {
		return nil, nil, tooMany(err, w.places, "callers are waiting already: ask without waiting, or try again later")
	}
	requestsWaiting.Inc()
	recordOf(r).waited = true
	ctx, cancel := context.WithCancelCause(r.Context())
	stopWatching := context.AfterFunc(w.stopping, func() { cancel(errStopping) })
	leaveShared := func() {}
	if w.places.Shared(r.RemoteAddr) {
		leaveShared = w.enterShared(cancel)
	}
	return ctx, sync.OnceFunc(func() {
		stopWatching()
		leaveShared()
		cancel(nil)
		requestsWaiting.Dec()
		place.Leave()
	}), nil
}

// enterShared notes a wait that may have to end early, and returns how to forget it.
func (w *waiters) enterShared(cancel context.CancelCauseFunc) (leave func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	element := w.shared.PushBack(cancel)
	return func() {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.shared.Remove(element)
	}
}

// makeRoom ends the oldest wait of a shared address, whose share has no limit, and tells whether there was one.
func (w *waiters) makeRoom() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	oldest := w.shared.Front()
	if oldest == nil {
		return false
	}
	w.shared.Remove(oldest).(context.CancelCauseFunc)(errMakeRoom)
	return true
}
