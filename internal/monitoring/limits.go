package monitoring

import "time"

const (
	// maxConnections bounds the connections to each server. A probe and a scrape use one each. With headers and the
	// kernel's buffers, one takes up to 200 KiB.
	maxConnections = 64

	// maxHeaderBytes bounds the headers of a request. The longest one is a bearer token.
	maxHeaderBytes = 16 << 10

	// headerTimeout bounds the TLS handshake, and the headers of a request. The kubelet waits a second for a probe.
	headerTimeout = 3 * time.Second

	// readTimeout bounds a request with its body, which nobody reads.
	readTimeout = 5 * time.Second

	// writeTimeout bounds a request from its headers to the last byte of the answer. Prometheus waits 10 seconds.
	writeTimeout = 20 * time.Second

	// idleTimeout is how long a connection without requests is kept. Prometheus scrapes once a minute by default.
	idleTimeout = 90 * time.Second

	// shutdownTimeout bounds how long a server that stops waits for requests.
	shutdownTimeout = 2 * time.Second

	// maxScrapes bounds the requests for metrics that are handled at the same time, with a TokenReview and a
	// SubjectAccessReview for each. One address gets at most maxScrapesOfOne of them.
	maxScrapes      = 8
	maxScrapesOfOne = 4

	// turnTimeout is how long a request for metrics waits for its turn before it is answered with 503.
	turnTimeout = 2 * time.Second

	// maxConcurrentStreams and http2Buffer bound what one HTTP/2 connection makes the server keep.
	maxConcurrentStreams = 8
	http2Buffer          = 64 << 10
)
