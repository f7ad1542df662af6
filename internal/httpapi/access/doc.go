// Package access authenticates the callers of the HTTP API and checks their permissions: the Kubernetes API server
// decides. It must not read what a request is about, and holds no list of users and no policy of its own.
package access
