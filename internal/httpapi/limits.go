package httpapi

import "time"

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
	writeTimeout = readTimeout + accessTimeout + createQueueTimeout + createTimeout + writeMargin

	// writeMargin is what a handler that waits leaves for its answer: a last look at the API server, and a slow reader.
	writeMargin = lookupTimeout + 13*time.Second

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

	// maxConcurrentCreates is how many executions are being stored at a time, by one replica. More would not be stored
	// sooner: the API server has a bounded throughput, and what stands in line there slows down the Jobs of those that
	// were accepted before. Two replicas together store half of what the controller works on at a time, so that an
	// execution that was answered with 201 does not wait behind others for its Job.
	maxConcurrentCreates = 8

	// createQueueTimeout is how long a create waits for its turn.
	createQueueTimeout = 10 * time.Second

	// renderTimeout is the time to render a preview, which meets the renderer's own limits earlier.
	renderTimeout = 4 * time.Second

	// maxNameAttempts is how many names are tried when one is taken. Two in a row have never been seen: there are 2e14.
	maxNameAttempts = 3
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

// cancelWait is how long a cancel waits for the end of the execution. The controller writes it within milliseconds, unless
// it is down or about to be replaced.
const cancelWait = 3 * time.Second

// Lists.
const (
	// defaultListLimit is how many objects a page of a list holds at most where the caller does not say.
	defaultListLimit = 100

	// maxListLimit is the most that a caller can ask for.
	maxListLimit = 500

	// maxListBytes ends a page early: payloads are large, and a page is held in memory.
	maxListBytes = 4 << 20

	// maxListRequests is how many requests to the API server a page may take, where it is read in parts or filtered.
	maxListRequests = 20

	// listTimeout is the time for all of these.
	listTimeout = 10 * time.Second
)

// Asking the API server who a caller is and what the caller may.
const (
	// accessTimeout is how long both may take together.
	accessTimeout = 5 * time.Second

	// maxReviews is how often one is asked for where the API server fails or asks to come again.
	maxReviews = 3

	// reviewRetryDelay is the pause before the second time; then it doubles.
	reviewRetryDelay = 100 * time.Millisecond

	// tokenCacheTTL is how long a token is taken for what it was; one that was revoked or has expired is refused after
	// this time. It is that of Kubernetes' own aggregated API servers, as is the next.
	tokenCacheTTL = 10 * time.Second

	// allowCacheTTL is how long a right is taken for granted. One that was taken away is gone after this time.
	allowCacheTTL = 10 * time.Second

	// denyCacheTTL is how long a right is taken for missing. It is shorter, since whoever grants one tries it out at once.
	denyCacheTTL = 2 * time.Second
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
	// drainTimeout is how long requests may take to finish after the server was told to stop: all calls to the API
	// server, the wait for their turn to be stored, and a margin.
	drainTimeout = accessTimeout + createQueueTimeout + createTimeout + lookupTimeout + 5*time.Second

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
