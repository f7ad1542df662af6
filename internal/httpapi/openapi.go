package httpapi

import (
	"crypto/sha256"
	_ "embed" // for the document
	"encoding/hex"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"
)

// openAPIDocument describes this API, in OpenAPI 3.1. Tests hold it to the routes, the reasons, the CRD and to what is
// really answered.
//
//go:embed openapi.yaml
var openAPIDocument string

// description serves the OpenAPI document to everybody: it tells nothing of what is stored here.
type description struct {
	body, tag string
}

func newDescription() *description {
	digest := sha256.Sum256([]byte(openAPIDocument))
	return &description{body: openAPIDocument, tag: `"` + hex.EncodeToString(digest[:16]) + `"`}
}

func (d *description) register(router *mux.Router) {
	router.Handle("/openapi.yaml", methods{http.MethodGet: d.get})
}

// get answers with the document. Its media type is that of YAML (RFC 9512): application/openapi+yaml is not registered,
// and tools that look at the type at all know this one.
func (d *description) get(w http.ResponseWriter, r *http.Request) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	header := w.Header()
	header.Set("ETag", d.tag)
	header.Set("Cache-Control", "no-cache")
	if matches(r, d.tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", string(mediaYAML))
	header.Set("Content-Length", strconv.Itoa(len(d.body)))
	header.Set("X-Content-Type-Options", "nosniff")
	expectReader(w, len(d.body))
	// What cannot be written any more, because the caller is gone, is not an error of ours.
	_, _ = w.Write([]byte(d.body))
	return nil
}
