package httpapi

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/gorilla/mux"
	"k8s.io/apimachinery/pkg/util/uuid"
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

	// waited says that the request waited for something to happen, for as long as its caller wanted.
	waited bool

	// user is the name of the caller, empty where that was not asked.
	user string

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

// recordRoute notes which route a request took. The router calls it for registered paths only.
func recordRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if template, err := mux.CurrentRoute(r).GetPathTemplate(); err == nil {
			recordOf(r).route = template
		}
		next.ServeHTTP(w, r)
	})
}
