package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const root = "../.."

// objects is what a kustomization builds.
type objects []*unstructured.Unstructured

// built has what kustomize and kubectl have built, by the command. No test changes config/.
var built = map[string][]byte{}

// build runs kustomize as the Makefile does, once for each kustomization.
func build(t *testing.T, kustomization string) objects {
	t.Helper()
	command := exec.Command("go", "tool", "-modfile=hack/tools/go.mod", "kustomize", "build",
		filepath.Join("config", kustomization))
	command.Dir = root
	return decode(t, outputOnce(t, command))
}

// outputOnce returns what a command that builds manifests prints, and runs it if no test has done so.
func outputOnce(t *testing.T, command *exec.Cmd) []byte {
	t.Helper()
	key := command.String()
	if _, ok := built[key]; !ok {
		built[key] = output(t, command)
	}
	return built[key]
}

func decode(t *testing.T, manifests []byte) objects {
	t.Helper()
	var all objects
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, object)
	}
}

// certManagerCRDs returns the folder with the CRDs of the cert-manager that the local cluster runs.
func certManagerCRDs(t *testing.T) string {
	t.Helper()
	command := exec.Command("go", "mod", "download", "-json", "github.com/cert-manager/cert-manager")
	command.Dir = filepath.Join(root, "hack", "cert-manager")
	var module struct{ Dir string }
	if err := json.Unmarshal(output(t, command), &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "deploy", "crds")
}

func output(t *testing.T, command *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, stderr.Bytes())
	}
	return out
}

func (all objects) ofKind(kind string) objects {
	var some objects
	for _, object := range all {
		if object.GetKind() == kind {
			some = append(some, object)
		}
	}
	return some
}

// get reads the object of that kind and name into typed, and fails the test when there is none.
func get[T any](t *testing.T, all objects, kind, name string) *T {
	t.Helper()
	for _, object := range all.ofKind(kind) {
		if object.GetName() == name {
			typed := new(T)
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
				t.Fatal(err)
			}
			return typed
		}
	}
	t.Fatalf("no %s is called %s", kind, name)
	return nil
}
