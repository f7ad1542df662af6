// Command registry serves an OCI image layout (see mkimage) to a container runtime that uses it as a mirror of every
// registry. Images are pulled as in any cluster, also with `imagePullPolicy: Always`. An image that is not in the
// layout gets 404, as from a real registry. Images can be added while it runs.
//
//	registry -layout DIR -listen 127.0.0.1:5000
//
// It is read-only and implements the pull part of https://github.com/opencontainers/distribution-spec.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	mediaTypeManifest = "application/vnd.oci.image.manifest.v1+json"
	annotationRefName = "org.opencontainers.image.ref.name"
)

// notFound is the body of a 404.
const notFound = `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such image in the local cluster"}]}`

// request is the path of a pull: /v2/library/alpine/manifests/latest, or a digest in place of the tag.
var request = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/([^/]+)$`)

var digest = regexp.MustCompile(`^sha256:([0-9a-f]{64})$`)

func main() {
	layout := flag.String("layout", "", "folder of the OCI image layout")
	listen := flag.String("listen", "127.0.0.1:5000", "address to listen on")
	flag.Parse()
	server := &http.Server{Addr: *listen, Handler: registry(*layout), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

type registry string

// ServeHTTP answers GET and HEAD of manifests and blobs.
func (layout registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/" {
		return
	}
	part := request.FindStringSubmatch(r.URL.Path)
	if part == nil || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		http.NotFound(w, r)
		return
	}
	name, kind, reference := part[1], part[2], part[3]
	if !digest.MatchString(reference) && kind == "manifests" {
		// containerd tells a mirror the original registry: ?ns=docker.io.
		reference = layout.resolve(r.URL.Query().Get("ns") + "/" + name + ":" + reference)
	}
	sum := digest.FindStringSubmatch(reference)
	if sum == nil {
		log.Printf("%s %s: no such image", r.Method, r.URL)
		http.Error(w, notFound, http.StatusNotFound)
		return
	}
	w.Header().Set("Docker-Content-Digest", reference)
	w.Header().Set("Content-Type", "application/octet-stream")
	if kind == "manifests" {
		w.Header().Set("Content-Type", mediaTypeManifest)
	}
	http.ServeFile(w, r, filepath.Join(string(layout), "blobs", "sha256", sum[1]))
}

// resolve returns the digest that a tag points to, or "".
func (layout registry) resolve(tag string) string {
	var index struct {
		Manifests []struct {
			Digest      string            `json:"digest"`
			Annotations map[string]string `json:"annotations"`
		} `json:"manifests"`
	}
	content, err := os.ReadFile(filepath.Join(string(layout), "index.json"))
	if err == nil {
		err = json.Unmarshal(content, &index)
	}
	if err != nil {
		log.Print(fmt.Errorf("read the index: %w", err))
		return ""
	}
	for _, m := range index.Manifests {
		if strings.TrimPrefix(tag, "/") == m.Annotations[annotationRefName] {
			return m.Digest
		}
	}
	return ""
}
