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

	// maxConcurrentCreates is how many executions are being stored at a time, by one replica. More would not be stored
	// sooner: the API server has a bounded throughput, and what stands in line there slows down the Jobs of those that
	// were accepted before. Two replicas together store half of what the controller works on at a time, so that an
	// execution that was answered with 201 does not wait behind others for its Job.
	maxConcurrentCreates = 8

	// CreateQueueTimeout bounds how long a create waits for its turn.
	CreateQueueTimeout = 10 * time.Second

	// maxNameAttempts is how many names are tried when one is taken. Two in a row have never been seen: there are 2e14.
	maxNameAttempts = 3
)

// Lists.
const (
	// maxListBytes ends a page early: payloads are large, and a page is held in memory.
	maxListBytes = 4 << 20

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

	// maxUnconfirmed bounds the memory of the search.
	maxUnconfirmed = 1000

	// LastSweepTimeout is the time to look for them once more before the process ends.
	LastSweepTimeout = 5 * time.Second
)
