// Package budget divides what the HTTP API has a limited amount of among its calls: memory, places for calls, and
// connections. No source address gets more than a share of the places, so that one caller cannot shut out all others.
//
// It knows neither HTTP requests nor Kubernetes, and it must not decide what a call is told that gets nothing.
package budget
