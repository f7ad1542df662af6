// Command mkimage adds an image with one layer to an OCI image layout (a folder). It does not need Docker. The same
// input always gives the same digest, because the image contains no times.
//
//	mkimage -layout DIR -tag REFERENCE [-tag REFERENCE]... [-entrypoint "WORDS"] [-cmd "WORDS"] [-user UID:GID] ITEM...
//
// An ITEM is SOURCE=/PATH, a file to copy (mode 0755), or /LINK->TARGET, a symbolic link. The command prints the digest
// of the image. It does not compress, does not merge layers and does not download base images.
//
// See https://github.com/opencontainers/image-spec for the layout, the manifest and the configuration.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Media types and annotations of the OCI image specification.
const (
	mediaTypeIndex    = "application/vnd.oci.image.index.v1+json"
	mediaTypeManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaTypeConfig   = "application/vnd.oci.image.config.v1+json"
	mediaTypeLayer    = "application/vnd.oci.image.layer.v1.tar"
	annotationRefName = "org.opencontainers.image.ref.name"
)

// descriptor points to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// index is the layout's index.json: one manifest per tag.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type stringList []string

func (l *stringList) String() string     { return strings.Join(*l, " ") }
func (l *stringList) Set(s string) error { *l = append(*l, s); return nil }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run() error {
	var tags stringList
	flag.Var(&tags, "tag", "reference of the image; busybox means docker.io/library/busybox:latest; repeatable")
	layout := flag.String("layout", "", "folder of the OCI image layout; created if missing")
	entrypoint := flag.String("entrypoint", "", "entrypoint, words separated by spaces")
	cmd := flag.String("cmd", "", "default arguments, words separated by spaces")
	user := flag.String("user", "", "UID:GID that the process runs as")
	flag.Parse()
	if *layout == "" || len(tags) == 0 || flag.NArg() == 0 {
		return errors.New("-layout, -tag and at least one item are required")
	}

	layer, err := writeLayer(flag.Args())
	if err != nil {
		return err
	}
	manifest, err := writeImage(*layout, layer, map[string]any{
		"Entrypoint": strings.Fields(*entrypoint),
		"Cmd":        strings.Fields(*cmd),
		"User":       *user,
		"Env":        []string{"PATH=/bin:/usr/bin:/sbin:/usr/sbin"},
	})
	if err != nil {
		return err
	}
	if err := tag(*layout, manifest, tags); err != nil {
		return err
	}
	fmt.Println(manifest.Digest)
	return nil
}

// writeImage stores the layer, its configuration and its manifest. It returns the descriptor of the manifest.
func writeImage(layout string, layer []byte, config map[string]any) (descriptor, error) {
	var none descriptor
	layerBlob, err := writeBlob(layout, mediaTypeLayer, layer)
	if err != nil {
		return none, err
	}
	configJSON, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{layerBlob.Digest}},
	})
	if err != nil {
		return none, err
	}
	configBlob, err := writeBlob(layout, mediaTypeConfig, configJSON)
	if err != nil {
		return none, err
	}
	manifestJSON, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     mediaTypeManifest,
		"config":        configBlob,
		"layers":        []descriptor{layerBlob},
	})
	if err != nil {
		return none, err
	}
	return writeBlob(layout, mediaTypeManifest, manifestJSON)
}

// writeBlob stores content under its digest.
func writeBlob(layout, mediaType string, content []byte) (descriptor, error) {
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	path := filepath.Join(layout, "blobs", "sha256", sum)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(content)}, replace(path, content)
}

// tag points the tags to the manifest. Other tags of the layout do not change.
func tag(layout string, manifest descriptor, tags []string) error {
	list := index{SchemaVersion: 2, MediaType: mediaTypeIndex}
	path := filepath.Join(layout, "index.json")
	switch old, err := os.ReadFile(path); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(old, &list); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	for _, name := range tags {
		name = fullName(name)
		kept := list.Manifests[:0]
		for _, m := range list.Manifests {
			if m.Annotations[annotationRefName] != name {
				kept = append(kept, m)
			}
		}
		manifest.Annotations = map[string]string{annotationRefName: name}
		list.Manifests = append(kept, manifest)
	}
	content, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(layout, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	return replace(path, content)
}

// fullName adds the defaults of container runtimes to a reference: registry docker.io, repository library, tag latest.
func fullName(reference string) string {
	registry, _, hasPath := strings.Cut(reference, "/")
	switch {
	case !hasPath:
		reference = "docker.io/library/" + reference
	case !strings.ContainsAny(registry, ".:") && registry != "localhost":
		reference = "docker.io/" + reference
	}
	if !strings.Contains(reference[strings.LastIndex(reference, "/"):], ":") {
		reference += ":latest"
	}
	return reference
}

// replace writes a file atomically, because the registry serves the same folder.
func replace(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
