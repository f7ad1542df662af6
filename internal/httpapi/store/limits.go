package store

import "time"

// Time-outs of the calls to the API server.
const (
	// apiServerDeadline is sent along with a create: the API server itself gives it up after this time, so a create
	// that was not answered cannot come true long afterwards.
	apiServerDeadline = 10 * time.Second

	// CreateTimeout bounds a create. It is a little longer, so that the API server's own verdict arrives.
	CreateTimeout = apiServerDeadline + 2*time.Second

	// LookupTimeout bounds a read, and a delete.
	LookupTimeout = 3 * time.Second

	// CreateQueueTimeout bounds how long a create waits for its turn.
	CreateQueueTimeout = 10 * time.Second

	// createTurn is how long a create keeps its turn. An API server that takes longer for one is slow, and not busy with
	// others: more at a time are stored sooner then, and those who wait are not refused while it has room.
	createTurn = time.Second

	// maxNameAttempts is how many names are tried when one is taken. Two in a row have never been seen: there are 2e14.
	maxNameAttempts = 3
)

// Lists.
const (
	// MaxListBytes ends a page early: payloads are large, and a page is built in memory.
	MaxListBytes = 4 << 20

	// firstListPiece is how many objects the API server is asked for first, before it is known how large they are: those
	// of 128 KiB make a page.
	firstListPiece = 32

	// maxListRequests is how many requests to the API server a page may take, where it is read in parts or filtered.
	maxListRequests = 20

	// listTimeout is the time for all of these.
	listTimeout = 10 * time.Second
)

// Creates that were not confirmed.
const (
	// sweepInterval is how often they are looked for.
	sweepInterval = 5 * time.Second

	// settledAfter is when a create that failed cannot come true any more.
	settledAfter = 2 * apiServerDeadline

	// unconfirmedTimeout is when the search for one ends even though the API server could not be asked.
	unconfirmedTimeout = 2 * time.Minute

	// maxConcurrentLookups is how many are looked for at a time: all of them in 94 s, even if the API server answers none.
	maxConcurrentLookups = 32

	// maxUnconfirmed bounds the memory of the search.
	maxUnconfirmed = 1000

	// LastSweepTimeout is the time to look for them once more before the process ends.
	LastSweepTimeout = 5 * time.Second
)
