package e2e

import (
	"context"
	"net/http"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	// systemNamespace is where config/default puts Dispatcher.
	systemNamespace = "dispatcher-system"

	// deployment is the name of Dispatcher's Deployment.
	deployment = "dispatcher-manager"
)

// install does what the README tells users who have a cluster with cert-manager: it applies the one file that
// `make build-installer` writes, and waits until Dispatcher can be used.
func install(ctx context.Context) {
	GinkgoHelper()
	if kubectl.Run(ctx, "get", "namespace", systemNamespace).Err != nil {
		before = inventory(ctx)
	}
	applied := kubectl.Run(ctx, "apply", "-f", installer())
	Expect(applied.Err).NotTo(HaveOccurred(), applied.Stderr)
	Expect(applied.Stderr).To(BeEmpty(), "no warning, for example of Pod Security")
	eventuallyRolledOut(ctx)
	// Ready pods are not all: the API server must have the CA's certificate, and kube-proxy the pods' addresses.
	Eventually(func() error {
		return kubectl.Run(ctx, "apply", "--dry-run=server", "-f", sample("jobtemplate.yaml")).Err
	}).WithContext(ctx).Should(Succeed())
	Eventually(func() (int, error) {
		answered, err := send(ctx, http.MethodPut, "/execute/default/no-such-template", "", nil)
		return answered.Code, err
	}).WithContext(ctx).Should(Equal(http.StatusNotFound))
}

func installer() string { return filepath.Join(cluster, "install.yaml") }

// sample is the path of one of the samples that users apply.
func sample(name string) string { return filepath.Join(root, "config", "samples", name) }

// eventuallyRolledOut waits until the Deployment runs as many pods as it should, of its newest kind only.
func eventuallyRolledOut(ctx context.Context) {
	GinkgoHelper()
	status := kubectl.Run(ctx, "-n", systemNamespace, "rollout", "status", "deployment/"+deployment, "--timeout=3m")
	Expect(status.Err).NotTo(HaveOccurred(), status.Stdout+status.Stderr)
}
