// Package store is the Kubernetes client of the HTTP API: it creates an execution exactly once, reads, lists, cancels
// and deletes executions, reads JobTemplates, and reads pods and their logs. Its errors are problems, which a handler
// returns as they are. It must not decide who may do what, and reads the API server and not a cache, but for the
// defaults of an execution that is created.
//
// What was answered with an error has created nothing. Where the API server left that open, because it did not answer
// in time or not at all, the execution is looked up, and what turns up later is deleted, for a bounded time (see
// unconfirmedCreates). An execution with an idempotency key is different: what may have been left behind stays, because
// the repeat of the call is answered with it.
package store
