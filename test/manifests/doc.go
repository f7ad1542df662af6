// Package manifests tests what config/ builds: that a real API server accepts every object of it, in the strict way,
// and that what refers to each other by name does so.
//
// It must not test what the objects do; that takes a manager, and in the end a node.
package manifests
