// Package httpapi serves Dispatcher's HTTP API: calls that create a JobExecution, read it back, wait for it and end it,
// and calls that list what can be run. Each is answered with the Kubernetes object, or with a problem (RFC 9457).
//
// Every handler is one function that reads top to bottom: names and parameters, who calls and what they may (package
// access), the Kubernetes API (package store), the answer. What is refused is a problem (package problem), written in
// one place. Server, routes, negotiation and waiting are here.
//
// It must not judge: to execute, it renders nothing, except for a preview. Admission decides, and the API server's
// answer is translated, so that curl and kubectl see the same verdict. It never tells a caller what only an operator
// should know: that goes to the log, under the request id that the caller is given.
//
// A request is carried out from the moment its whole body was read, whether or not its caller still waits: a connection
// that breaks says nothing about what its caller wanted. A caller that prefers to wait and hangs up ends its wait only.
package httpapi
