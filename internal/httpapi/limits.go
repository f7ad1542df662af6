package httpapi

import (
	"time"

	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// Bounds on what a caller sends.
const (
	// DefaultMaxPayloadBytes bounds a payload where --max-payload-bytes is not given. It leaves room for an object to
	// stay under etcd's 1.5 MiB when most of the payload is escaped in JSON.
	DefaultMaxPayloadBytes = 256 << 10

	// largestMaxPayloadBytes is the most that --max-payload-bytes can be: the limit of the CRD on spec.payload.
	largestMaxPayloadBytes = 1 << 20

	// DefaultMaxRequestsInFlight bounds the requests at a time where --max-requests-in-flight is not given. Each may hold
	// a payload a few times over, as text and as JSON: about 1 MiB at the default size.
	DefaultMaxRequestsInFlight = 256

	// DefaultMaxWaitingRequests bounds the long polls and streams where --max-waiting-requests is not given. Each holds a
	// connection and some 20 KiB.
	DefaultMaxWaitingRequests = 1024

	// DefaultMaxWait bounds a wait where --max-wait is not given. Proxies on the way often have shorter limits.
	DefaultMaxWait = 5 * time.Minute

	// maxHeaderBytes bounds the request line and the headers. Nothing that this API reads is long.
	maxHeaderBytes = 16 << 10

	// maxRequestIDLength bounds an X-Request-Id that is taken over. It is echoed, logged and stored.
	maxRequestIDLength = 128

	// maxIdempotencyKeyLength bounds an Idempotency-Key. Keys are UUIDs and the like.
	maxIdempotencyKeyLength = 255

	// maxLoggedPath bounds the path in the access log.
	maxLoggedPath = 256
)

// Time-outs of a connection. Together they free a connection from a caller that sends or reads slowly, or not at all.
// A handler that has to take longer moves them for its own connection, with an http.ResponseController.
const (
	// readHeaderTimeout is the time for a request line and its headers.
	readHeaderTimeout = 5 * time.Second

	// readTimeout is the time for a whole request. The largest payload needs 35 KB/s.
	readTimeout = 30 * time.Second

	// writeTimeout runs from the end of the headers to the end of the answer: the calls to the API server, reading the
	// body, the wait for its turn, and time for a slow reader.
	writeTimeout = readTimeout + access.Timeout + store.CreateQueueTimeout + store.CreateTimeout + writeMargin

	// writeMargin is what a handler that waits leaves for its answer: a last look at the API server, and a slow reader.
	writeMargin = store.LookupTimeout + 13*time.Second

	// idleTimeout is how long a connection is kept for another request. It is longer than the 60 s of common load
	// balancers, so that they close first and do not send into a closing connection.
	idleTimeout = 90 * time.Second
)

// Streams of events.
const (
	// keepAliveInterval is how often a stream says something although there is nothing to say, so that nobody on the way
	// takes it for dead. It is also how soon the API server is asked again that could not be asked.
	keepAliveInterval = 15 * time.Second

	// streamWriteTimeout is how long a reader may take to take one event.
	streamWriteTimeout = 10 * time.Second

	// maxStream ends a stream, as the API server ends a watch: whoever comes back is asked for its rights again.
	maxStream = 30 * time.Minute
)

// cancelWait is how long a cancel waits for the end of the execution. The controller writes it within milliseconds,
// unless it is down or about to be replaced.
const cancelWait = 3 * time.Second

// Lists.
const (
	// defaultListLimit is how many objects a page of a list holds at most where the caller does not say.
	defaultListLimit = 100

	// maxListLimit is the most that a caller can ask for.
	maxListLimit = 500
)

// Shutdown.
const (
	// drainTimeout is how long requests may take to finish after the server was told to stop: all calls to the API
	// server, the wait for their turn to be stored, and a margin.
	drainTimeout = access.Timeout + store.CreateQueueTimeout + store.CreateTimeout + store.LookupTimeout + 5*time.Second

	// ShutdownTimeout is how long the server takes at most to stop. The manager's own time-out, and the pod's grace
	// period, have to be longer.
	ShutdownTimeout = drainTimeout + store.LastSweepTimeout
)
