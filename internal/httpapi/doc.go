// Package httpapi serves Dispatcher's HTTP API: one call creates a JobExecution and answers with it, or with a problem
// (RFC 9457) that says why not.
//
// It must not judge: to execute, it renders nothing and reads no template. It creates the JobExecution, admission
// decides, and the API server's answer is translated, so that curl and kubectl see the same verdict. It keeps no cache
// and starts no informer, and it never tells a caller what only an operator should know: that goes to the log, under
// the request id that the caller is given.
//
// A request is carried out from the moment its whole body was read, whether or not its caller still waits: a
// connection that breaks says nothing about what its caller wanted. What was answered with an error has created nothing.
// Where the API server left that open, because it did not answer in time or not at all, the object is looked up, and what
// turns up later is deleted, for a bounded time (see leftovers).
package httpapi
