package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

func TestRequestsInFlightAreBounded(t *testing.T) {
	api := newFakeAPIServer(t)
	entered, release := held(api)
	options := testOptions()
	options.MaxRequestsInFlight = 2
	r := start(t, api.server(t, options))
	statuses := make(chan int, 2)
	for range 2 {
		go func() {
			response, err := r.put(context.Background(), strings.NewReader("p"))
			if err != nil {
				statuses <- 0
				return
			}
			response.Body.Close()
			statuses <- response.StatusCode
		}()
		<-entered
	}
	response, err := r.put(t.Context(), strings.NewReader("one too many"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := problemOf(t, response); got.Reason != problem.TooManyRequests || got.Status != http.StatusTooManyRequests {
		t.Errorf("got %+v", got)
	}
	if got := response.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After = %q, want 1", got)
	}
	close(release)
	for range 2 {
		if got := <-statuses; got != http.StatusCreated {
			t.Errorf("a request within the limit got status %d", got)
		}
	}
	response, err = r.put(t.Context(), strings.NewReader("again"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated || len(api.Names()) != 3 {
		t.Errorf("status %d, stored %v: the places of the first two are not free again", response.StatusCode, api.Names())
	}
}

// waiting is a route whose requests wait until the server stops or their caller goes.
type waiting struct {
	*waiters
	entered chan struct{}
}

func (s waiting) register(router *mux.Router) {
	router.Handle("/wait", handler(func(w http.ResponseWriter, r *http.Request) error {
		ctx, release, err := s.acquire(r)
		if err != nil {
			return err
		}
		defer release()
		placeOf(r).Leave()
		s.entered <- struct{}{}
		<-ctx.Done()
		w.WriteHeader(http.StatusAccepted)
		return nil
	}))
	router.Handle("/", handler(func(http.ResponseWriter, *http.Request) error { return nil }))
}

func TestWaitingRequestsAreBoundedAndLeaveTheirPlaceInFlight(t *testing.T) {
	shared := budget.Addresses{netip.MustParsePrefix("192.0.2.1/32")} // that of a request of httptest
	s := waiting{newWaiters(2, shared), make(chan struct{}, 2)}
	inFlight := budget.NewPlaces(1, shared)
	router := newRouter(s)
	router.Use(func(next http.Handler) http.Handler { return limitInFlight(inFlight, next) })
	call := func(ctx context.Context, path string) *http.Response {
		recorder := httptest.NewRecorder()
		rec := newRecord(httptest.NewRequest(http.MethodGet, path, nil))
		recorder.Header().Set("X-Request-Id", rec.requestID)
		router.ServeHTTP(recorder, withRecord(httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil), rec))
		return recorder.Result()
	}
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan int, 2)
	for range 2 {
		go func() { ended <- call(ctx, "/wait").StatusCode }()
		<-s.entered
	}
	if got := testutil.ToFloat64(requestsWaiting); got != 2 {
		t.Errorf("%v requests wait, want 2", got)
	}
	refused := call(t.Context(), "/wait")
	if got := problemOf(t, refused); got.Reason != problem.TooManyRequests || refused.Header.Get("Retry-After") != "1" {
		t.Errorf("got %+v, Retry-After %q", got, refused.Header.Get("Retry-After"))
	}
	if got := call(t.Context(), "/").StatusCode; got != http.StatusOK {
		t.Errorf("a short request got status %d while others wait", got)
	}

	hangUp()
	<-ended
	<-ended
	go func() { ended <- call(context.Background(), "/wait").StatusCode }()
	<-s.entered
	s.stop()
	if got := <-ended; got != http.StatusAccepted {
		t.Errorf("who waited when the server stopped got status %d, want an answer", got)
	}
	if got := testutil.ToFloat64(requestsWaiting); got != 0 || inFlight.Taken() != 0 || s.places.Taken() != 0 {
		t.Errorf("%v wait, %d places in flight and %d of waiters are taken: want none",
			got, inFlight.Taken(), s.places.Taken())
	}
}
