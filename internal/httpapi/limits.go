package httpapi

import "time"

// Bounds on what a caller sends.
const (
	// DefaultMaxPayloadBytes bounds a payload where --max-payload-bytes is not given. It leaves room for an object to
	// stay under etcd's 1.5 MiB when most of the payload is escaped in JSON.
	DefaultMaxPayloadBytes = 256 << 10

	// largestMaxPayloadBytes is the most that --max-payload-bytes can be: the limit of the CRD on spec.payload.
	largestMaxPayloadBytes = 1 << 20

	// maxHeaderBytes bounds the request line and the headers. Nothing that this API reads is long.
	maxHeaderBytes = 16 << 10

	// maxRequestIDLength bounds an X-Request-Id that is taken over. It is echoed, logged and stored.
	maxRequestIDLength = 128

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

	// writeTimeout runs from the end of the headers to the end of the answer: reading the body, the calls to the API
	// server, and time for a slow reader.
	writeTimeout = readTimeout + createTimeout + lookupTimeout + 13*time.Second

	// idleTimeout is how long a connection is kept for another request. It is longer than the 60 s of common load
	// balancers, so that they close first and do not send into a closing connection.
	idleTimeout = 90 * time.Second
)

// Time-outs of the calls to the API server.
const (
	// apiServerDeadline is sent along with a create: the API server itself gives it up after this time, so a create
	// that was not answered cannot come true long afterwards.
	apiServerDeadline = 10 * time.Second

	// createTimeout is how long a create is waited for. A little longer, so that the API server's own verdict arrives.
	createTimeout = apiServerDeadline + 2*time.Second

	// lookupTimeout is the time to find out what became of a create that was not answered, and to delete a leftover.
	lookupTimeout = 3 * time.Second

	// maxNameAttempts is how many names are tried when one is taken. Two in a row have never been seen: there are 2e14.
	maxNameAttempts = 3
)

// Clean-up of executions that may appear after their caller was told of an error.
const (
	// sweepInterval is how often leftovers are looked for.
	sweepInterval = 5 * time.Second

	// settledAfter is when a create that failed cannot come true any more.
	settledAfter = 2 * apiServerDeadline

	// leftoverTimeout is when the search for a leftover ends even though the API server could not be asked.
	leftoverTimeout = 2 * time.Minute

	// maxLeftovers bounds the memory of the search.
	maxLeftovers = 1000
)

// Shutdown.
const (
	// drainTimeout is how long requests may take to finish after the server was told to stop: both calls to the API
	// server, and a margin.
	drainTimeout = createTimeout + lookupTimeout + 5*time.Second

	// lastSweepTimeout is the time to look for leftovers once more before the process ends.
	lastSweepTimeout = 5 * time.Second

	// ShutdownTimeout is how long the server takes at most to stop. The manager's own time-out, and the pod's grace
	// period, have to be longer.
	ShutdownTimeout = drainTimeout + lastSweepTimeout
)

// Seconds of a Retry-After where the API server gives none.
const (
	// retryAfterTooManyRequests follows a 429: the API server's priority and fairness itself says 1.
	retryAfterTooManyRequests = 1

	// retryAfterUnavailable follows a 503: an API server or a webhook takes seconds to come back, not milliseconds.
	retryAfterUnavailable = 5
)
