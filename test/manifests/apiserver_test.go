package manifests

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// TestOnAPIServer has the tests that need a real API server. To start one takes longer than each of them. The switches
// come first: they begin on a server without manifests, and their last step deletes all that they have applied.
func TestOnAPIServer(t *testing.T) {
	config, kubeconfig := startAPIServer(t)
	t.Run("switches of overlays", func(t *testing.T) { testSwitchOfOverlays(t, config, kubeconfig) })
	t.Run("manifests are accepted", func(t *testing.T) { testManifestsAreAccepted(t, config) })
}

// startAPIServer starts a real API server that knows cert-manager's kinds, and stops it when the test ends. It returns
// an administrator's configuration, and the kubeconfig file with the same.
func startAPIServer(t *testing.T) (config *rest.Config, kubeconfig string) {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: make test sets it")
	}
	environment := &envtest.Environment{CRDDirectoryPaths: []string{certManagerCRDs(t)}, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, environment.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return config, kubeconfig
}
