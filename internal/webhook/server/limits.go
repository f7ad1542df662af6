package server

import "time"

const (
	// Timeout bounds the handling of a request, from its headers to its answer. The API server waits 10 seconds; its
	// user should have an answer after 6.
	Timeout = 5500 * time.Millisecond

	// headerTimeout bounds the TLS handshake, and the headers of a request.
	headerTimeout = 3 * time.Second

	// readTimeout bounds a request from its first byte until its body is read.
	readTimeout = 4 * time.Second

	// bodyTimeout and bodyRate, in bytes a second, bound the body from the moment when there is memory for it.
	bodyTimeout = time.Second
	bodyRate    = 4 << 20

	// writeTimeout bounds a request from its headers to the last byte of the answer.
	writeTimeout = 10 * time.Second

	// idleTimeout is how long a connection without requests is kept. The API server keeps its own for 90 seconds.
	idleTimeout = 90 * time.Second

	// queueTimeout is how long a request waits for its share of the memory before it is answered with 429.
	queueTimeout = 2500 * time.Millisecond

	// arrivedTimeout is how long a request waits where those of its namespace that have arrived already take their part
	// of the memory for bodies. Meanwhile it takes that of others.
	arrivedTimeout = 100 * time.Millisecond

	// maxHeaderBytes bounds the headers of a request. The API server sends some 300 bytes.
	maxHeaderBytes = 16 << 10

	// maxConnections bounds the connections. One that is idle takes about 20 KiB, and one that is not read up to 64 KiB
	// each way in the kernel. The API server opens one for each of its requests that is in flight.
	maxConnections = 1024

	// maxBodyBytes bounds a review. It holds up to two objects, and the API server takes objects of at most 3 MiB.
	maxBodyBytes = 7 << 20

	// maxValues bounds the JSON values in a review. A container that is null is 5 bytes of JSON and 408 bytes of memory
	// in each copy.
	maxValues = 30_000
)

// What a review takes of the memory while it is handled is its size and the number of its JSON values, times what
// decoding and copying make of them. While the body arrives, only its length counts. Large reviews have memory of their
// own, so that they never take what small ones need. An address gets at most half of each: strangers may have an
// address of their own. A namespace of an address gets at most half of that: users may have a namespace whose reviews
// take long. A review that needs more than that counts as half, or it would wait until it is alone.
const (
	smallArriving = 2 << 20
	largeArriving = 16 << 20

	smallText     = 12 << 20
	largeText     = 32 << 20
	textPerByte   = 6
	textPerReview = 128 << 10

	smallValues = 8 << 20
	largeValues = 32 << 20
	perElement  = 1280
	perMember   = 256

	// freeValues is the weight of values that textPerReview covers, manyValues the one from which a review is large.
	freeValues = 100 << 10
	manyValues = 1 << 20

	// largeBody is the size from which a body is large. The payload of most executions is smaller.
	largeBody = 64 << 10
)
