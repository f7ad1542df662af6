package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestPull(t *testing.T) {
	const manifest = `{"schemaVersion":2}`
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(manifest)))
	layout := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(layout, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("blobs/sha256/"+digest[len("sha256:"):], manifest)
	write("index.json", `{"manifests":[{"digest":"`+digest+`",
		"annotations":{"org.opencontainers.image.ref.name":"docker.io/library/alpine:latest"}}]}`)
	write("secret", "not a blob")

	for _, tc := range []struct {
		why, method, path string
		code              int
	}{
		{"version check", http.MethodGet, "/v2/", http.StatusOK},
		{"a tag is resolved by HEAD", http.MethodHead, "/v2/library/alpine/manifests/latest?ns=docker.io", http.StatusOK},
		{"the manifest is read by digest", http.MethodGet, "/v2/library/alpine/manifests/" + digest, http.StatusOK},
		{"a blob", http.MethodGet, "/v2/library/alpine/blobs/" + digest, http.StatusOK},
		{"the same name in another registry", http.MethodHead, "/v2/library/alpine/manifests/latest?ns=quay.io",
			http.StatusNotFound},
		{"another tag", http.MethodHead, "/v2/library/alpine/manifests/3?ns=docker.io", http.StatusNotFound},
		{"a blob by tag", http.MethodGet, "/v2/library/alpine/blobs/latest?ns=docker.io", http.StatusNotFound},
		{"a path outside of the blobs", http.MethodGet, "/v2/library/alpine/blobs/..%2f..%2fsecret", http.StatusNotFound},
		{"a push", http.MethodPut, "/v2/library/alpine/manifests/latest", http.StatusNotFound},
	} {
		answer := httptest.NewRecorder()
		registry(layout).ServeHTTP(answer, httptest.NewRequest(tc.method, tc.path, nil))
		if answer.Code != tc.code {
			t.Errorf("%s: %s %s: %d, want %d", tc.why, tc.method, tc.path, answer.Code, tc.code)
		}
		if tc.code == http.StatusOK && tc.path != "/v2/" && answer.Header().Get("Docker-Content-Digest") != digest {
			t.Errorf("%s: digest %q, want %q", tc.why, answer.Header().Get("Docker-Content-Digest"), digest)
		}
	}
}
