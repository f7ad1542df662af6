package httpapi

import (
	"net/netip"
	"time"

	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/render"
)

// Bounds on what a caller sends.
const (
	// DefaultMaxPayloadBytes bounds a payload where --max-payload-bytes is not given. It leaves room for an object to
	// stay under etcd's 1.5 MiB when most of the payload is escaped in JSON.
	DefaultMaxPayloadBytes = 256 << 10

	// largestMaxPayloadBytes is the most that --max-payload-bytes can be: the limit of the CRD on spec.payload.
	largestMaxPayloadBytes = 1 << 20

	// DefaultMaxRequestsInFlight bounds the requests at a time where --max-requests-in-flight is not given. What they take
	// of memory has bounds of its own: see below.
	DefaultMaxRequestsInFlight = 256

	// DefaultMaxConcurrentCreates is how many executions are being stored at a time, by one replica, where
	// --max-concurrent-creates is not given. More would not be stored sooner: the API server has a bounded throughput,
	// and what stands in line there slows down the Jobs of those that were accepted before. Two replicas together store
	// half of what the controller works on at a time, so that an execution that was answered with 201 does not wait
	// behind others for its Job.
	DefaultMaxConcurrentCreates = 8

	// DefaultMaxWaitingRequests bounds the long polls and streams where --max-waiting-requests is not given. Each takes a
	// connection and some 40 KiB, and no payload.
	DefaultMaxWaitingRequests = 1024

	// DefaultMaxWait bounds a wait where --max-wait is not given. Proxies on the way often have shorter limits.
	DefaultMaxWait = 5 * time.Minute

	// maxHeaderBytes bounds the request line and the headers. Nothing that this API reads is long.
	maxHeaderBytes = 16 << 10

	// maxRequestIDLength bounds an X-Request-Id that is taken over. It is echoed, logged and stored.
	maxRequestIDLength = 128

	// maxIdempotencyKeyLength bounds an Idempotency-Key. Keys are UUIDs and the like.
	maxIdempotencyKeyLength = 255

	// maxLoggedText bounds each text of the access log that a caller or the API server chose.
	maxLoggedText = 1024
)

// DefaultSharedAddresses returns the source addresses that may have more than a share of the places where
// --shared-source-addresses is not given: those of kubectl port-forward.
func DefaultSharedAddresses() budget.Addresses {
	return budget.Addresses{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}
}

// Time-outs of a connection. Together they free a connection from a caller that sends or reads slowly, or not at all.
// A handler that has to take longer moves them for its own connection, with an http.ResponseController.
const (
	// readHeaderTimeout is the time for a request line and its headers.
	readHeaderTimeout = 5 * time.Second

	// readTimeout is the time for a whole request. A body that is read has longer: for each second more, minBodyRate bytes
	// have to arrive. One that trickles in would take a connection and memory for nothing.
	readTimeout = 10 * time.Second
	minBodyRate = 20 << 10

	// longestBody is how long the largest payload may take at that rate.
	longestBody = readTimeout + largestMaxPayloadBytes/minBodyRate*time.Second

	// writeTimeout runs from the end of the headers to the beginning of the answer: reading the body, the waits for memory
	// and for a place, the calls to the API server, and the wait for a turn.
	writeTimeout = longestBody + bodyTurnTimeout + placeTimeout + access.Timeout + store.CreateQueueTimeout +
		store.CreateTimeout + memoryTimeout + writeMargin

	// An answer has answerGrace to be taken, and then has to be taken at minAnswerRate bytes a second at least: a page
	// of a list in less than listTurnTimeout, as others wait for its memory.
	answerGrace   = 10 * time.Second
	minAnswerRate = 256 << 10

	// writeMargin is what a handler that waits leaves for its answer: a last look at the API server, and a slow reader.
	writeMargin = store.LookupTimeout + 13*time.Second

	// idleTimeout is how long a connection is kept for another request. It is longer than the 60 s of common load
	// balancers, so that they close first and do not send into a closing connection.
	idleTimeout = 90 * time.Second
)

// Memory. The Deployment allows 512 MiB, of which the two render workers may take 256 MiB. Below are the bounds of
// what calls make the manager hold at the worst moment, 120 MiB in all. Beside them it has 2,304 connections of 20
// KiB, what the controller caches, the 30 MiB of an idle manager, and garbage. The kernel has up to 64 KiB each way of
// each connection (connections.BoundBuffers): 144 MiB of requests that are not read yet, and as much of answers that
// callers do not read. GOMEMLIMIT does not contain that, and the limit of the Deployment does.
const (
	// firstPiece is how much of a body is read at once. Most payloads are not longer.
	firstPiece = 16 << 10

	// firstPiecesBudget bounds the first pieces: 1,024 bodies that arrive at a time.
	firstPiecesBudget = 1024 * firstPiece

	// bodyCopies is how often a body is in memory until it is stored: as text, as the JSON that is sent to the API server
	// and comes back from it, and decoded.
	bodyCopies = 4

	// bodiesBudget bounds the bodies that are longer than their first piece: 40 of the default limit.
	bodiesBudget = 40 << 20

	// bodyTurnTimeout is how long a body waits until others are stored.
	bodyTurnTimeout = 20 * time.Second

	// readBytes is taken to read one object. An object of 256 KiB is in memory three times, as it comes, decoded and
	// encoded; how large it is, is known when it was read.
	readBytes = 3 << 19

	// maxJobBytes bounds the Job that a preview shows: etcd's limit. In JSON, a byte of it has at most 6.
	maxJobBytes = render.MaxJobBytes

	// restBytes is an object without its payload.
	restBytes = 16 << 10

	// readsBudget bounds the objects that are read or written to callers: 21 reads at a time. An answer whose caller is
	// slow has the bytes of the object and of the body.
	readsBudget = 32 << 20

	// listBytes is taken for a page of a list: its objects, encoded, and the one that is being decoded.
	listBytes = store.MaxListBytes + 4<<20

	// listsBudget bounds the pages: 4 at a time.
	listsBudget = 32 << 20

	// listTurnTimeout is how long a list waits for its turn.
	listTurnTimeout = 30 * time.Second

	// memoryTimeout is how long a call waits for memory, before it is told that there are too many.
	memoryTimeout = 20 * time.Second

	// placeTimeout is how long a call whose body has arrived waits for a place among those in flight.
	placeTimeout = 10 * time.Second

	// makeRoomTimeout is how long a wait may take to end that makes room for another.
	makeRoomTimeout = 2 * time.Second

	// http2Buffer bounds what is kept of the bodies of an HTTP/2 connection that no handler has read yet.
	http2Buffer = 64 << 10

	// maxConcurrentStreams is how many requests an HTTP/2 connection may have at a time, as net/http's clients open more
	// connections then.
	maxConcurrentStreams = 100

	// spareConnections is how many connections there may be beside those of calls that are handled or wait: idle ones, and
	// those whose request is on its way.
	spareConnections = 1024
)

// Streams of events.
const (
	// keepAliveInterval is how often a stream says something although there is nothing to say, so that nobody on the way
	// takes it for dead. It is also how soon the API server is asked again that could not be asked.
	keepAliveInterval = 15 * time.Second

	// streamWriteTimeout is how long a reader may take to take one event.
	streamWriteTimeout = 10 * time.Second

	// logBuffer is how much of a log is passed on at once. Each followed log has one.
	logBuffer = 8 << 10

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
