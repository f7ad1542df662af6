// Package sandbox renders templates in processes that may die: Go cannot recover from a stack overflow or from an
// allocation that fails, and a template could cause either. Whatever looks at the text of a template or at a payload
// runs in a render worker, which is this program's own binary, confined; a Pool of them is a render.Renderer like any
// other.
//
// A worker is not trusted. It gets a template and a payload, and gives back texts and messages, of bounded size. The
// Job is made of these by the Pool, so that a worker decides nothing but what the template leaves open. It must never
// be given anything else: no client, no environment, no file.
//
// It needs Linux.
package sandbox
