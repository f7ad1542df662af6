package httpapi

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/gorilla/mux"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apiserver/pkg/authentication/user"
)

// otherRoute is the route of a path that this API does not have.
const otherRoute = "other"

// record is what is known of a request, filled in on its way and read by the access log and the metrics at its end.
type record struct {
	requestID  string
	receivedAt time.Time

	// route is the path with the names left open, as it was registered.
	route string

	namespace, template, execution string

	// caller is who sent the request, nil as long as that did not matter.
	caller user.Info

	// leaveFlight gives the request's place among those in flight to another. It may be called more than once.
	leaveFlight func()

	// payload is set only where payloads are logged.
	payload *string

	// err is why the request was refused, with the cause that the caller is not told.
	err error
}

// requestIDs are the X-Request-Id values that are taken over: UUIDs, trace ids and the like.
var requestIDs = regexp.MustCompile(`^[A-Za-z0-9._:-]+$`)

func newRecord(r *http.Request) *record {
	id := r.Header.Get("X-Request-Id")
	if len(id) > maxRequestIDLength || !requestIDs.MatchString(id) {
		id = string(uuid.NewUUID())
	}
	return &record{requestID: id, receivedAt: time.Now(), route: otherRoute}
}

type recordKey struct{}

func withRecord(r *http.Request, rec *record) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
}

// recordOf returns the record of a request, which every request has that came through observe.
func recordOf(r *http.Request) *record {
	if rec, ok := r.Context().Value(recordKey{}).(*record); ok {
		return rec
	}
	return newRecord(r)
}

// noteTarget notes what a request names, for the access log.
func noteTarget(r *http.Request, named target) {
	rec := recordOf(r)
	rec.namespace, rec.template, rec.execution = named.namespace, named.template, named.execution
}

// recordRoute notes which route a request took. The router calls it for registered paths only.
func recordRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if template, err := mux.CurrentRoute(r).GetPathTemplate(); err == nil {
			recordOf(r).route = template
		}
		next.ServeHTTP(w, r)
	})
}
