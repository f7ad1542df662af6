// Package httpapi serves Dispatcher's HTTP API: calls that create a JobExecution, read it back, wait for it and end it, and
// calls that say what can be run. Each is answered with the Kubernetes object, or with a problem (RFC 9457) that says why
// not.
//
// It must not judge: to execute, it renders nothing, but for the preview of a dry-run. It creates the JobExecution, with the
// defaults of its template where the cache has that; admission decides, and the API server's answer is translated, so that
// curl and kubectl see the same verdict. What it answers with is read from the API server and not from a cache; when to look
// again is an informer's word, that of the controller. It never tells a caller what only an operator should know: that goes
// to the log, under the request id that the caller is given.
//
// A request is carried out from the moment its whole body was read, whether or not its caller still waits: a
// connection that breaks says nothing about what its caller wanted. A caller that prefers to wait and hangs up ends its
// wait only.
//
// What was answered with an error has created nothing. Where the API server left that open, because it did not answer in
// time or not at all, the object is looked up, and what turns up later is deleted, for a bounded time (see leftovers). A
// call with an Idempotency-Key is different: what it may have left behind stays, because the repeat of the call is answered
// with it.
package httpapi
