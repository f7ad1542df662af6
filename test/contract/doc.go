// Package contract holds the HTTP API to its own description, internal/httpapi/openapi.yaml. A client of the suites calls
// through it, and every answer has to be one that the document knows: its status code, its headers and its body, to the
// last property.
//
// It must not be lenient: what it does not know it refuses, so that the document and the program cannot drift apart.
package contract
