// Package objectcache decides what the manager caches of each object, so that its memory does not grow with what users
// store, and reads the rest of an object where it is needed. It must not write objects.
//
// The informers cache a small part of every object. Whole JobTemplates and large payloads are kept as long as they fit
// in a fixed amount of memory, the most recently used first, and are otherwise read from the API server.
package objectcache
