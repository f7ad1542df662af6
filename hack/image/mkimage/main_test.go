package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestFullName(t *testing.T) {
	for reference, want := range map[string]string{
		"alpine":                    "docker.io/library/alpine:latest",
		"alpine:3":                  "docker.io/library/alpine:3",
		"team/tool":                 "docker.io/team/tool:latest",
		"localhost/tool:1":          "localhost/tool:1",
		"registry.local:5000/tool":  "registry.local:5000/tool:latest",
		"ghcr.io/team/tool:v1.2":    "ghcr.io/team/tool:v1.2",
		"registry.local/a/b/c:long": "registry.local/a/b/c:long",
	} {
		if got := fullName(reference); got != want {
			t.Errorf("fullName(%q) = %q, want %q", reference, got, want)
		}
	}
}

func TestLayerHoldsParentsFilesAndLinks(t *testing.T) {
	source := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(source, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	layer, err := writeLayer([]string{source + "=/usr/bin/tool", "/bin/alias->/usr/bin/tool"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*tar.Header{}
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if got[h.Name] != nil {
			t.Errorf("%s is there twice", h.Name)
		}
		got[h.Name] = h
	}
	for _, name := range []string{"tmp/", "etc/", "usr/", "usr/bin/", "bin/"} {
		if got[name] == nil || got[name].Typeflag != tar.TypeDir {
			t.Errorf("folder %s is missing", name)
		}
	}
	if h := got["usr/bin/tool"]; h == nil || h.Mode != 0o755 || h.Size != int64(len("content")) {
		t.Errorf("usr/bin/tool = %+v", h)
	}
	if h := got["bin/alias"]; h == nil || h.Linkname != "/usr/bin/tool" {
		t.Errorf("bin/alias = %+v", h)
	}
}

// When a tag moves, other tags stay. The tag must appear only once, because the registry takes the first one.
func TestTagMoves(t *testing.T) {
	layout := t.TempDir()
	for _, step := range []struct{ tag, digest string }{{"a", "sha256:1"}, {"b", "sha256:1"}, {"a", "sha256:2"}} {
		if err := tag(layout, descriptor{Digest: step.digest}, []string{step.tag}); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list index
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range list.Manifests {
		got[m.Annotations[annotationRefName]] = m.Digest
	}
	if len(list.Manifests) != 2 || got[fullName("a")] != "sha256:2" || got[fullName("b")] != "sha256:1" {
		t.Errorf("index = %s", content)
	}
}
