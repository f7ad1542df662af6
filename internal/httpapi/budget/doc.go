// Package budget divides what the HTTP API has a limited amount of among its calls: memory, places for calls, and
// connections. No source address gets more than a share of the places, so that one caller cannot shut out all others.
//
// It does not know Kubernetes, and of HTTP only which connections are idle. It must not decide what a call is told that
// gets nothing.
package budget
