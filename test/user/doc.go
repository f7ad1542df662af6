// Package user does in the suites what users of Dispatcher do: it calls the HTTP API, runs kubectl, and writes and
// lists objects. Where a suite differs, in the cluster it has or in what its containers run, it says so itself.
//
// It reads what it gets as a careful caller does, and fails the spec if that is not well-formed. It must not know how
// an answer comes about: it imports the API types and nothing of internal/.
package user
