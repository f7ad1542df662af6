// Package access tells who sends a request to the HTTP API, and what they may: the Kubernetes API server decides both.
// It must not read what a request is about, and holds no list of users and no policy of its own.
package access
