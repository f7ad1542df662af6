package user

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// Kubectl is the kubectl of a cluster.
type Kubectl struct {
	// Program is its path, or its name where PATH leads to it.
	Program string
	// Kubeconfig says who it is and at which API server. Its cache of discovery is kept in the same folder, and ends
	// with the cluster.
	Kubeconfig string
}

// Result is what a user of kubectl sees.
type Result struct {
	Stdout, Stderr string
	Err            error
}

// Run runs kubectl. What it prints is shown when the spec fails.
func (k Kubectl) Run(ctx context.Context, args ...string) Result {
	return k.RunWithInput(ctx, "", args...)
}

// Apply applies objects client-side, as `kubectl apply -f` does.
func (k Kubectl) Apply(ctx context.Context, objects ...any) Result {
	ginkgo.GinkgoHelper()
	return k.RunWithInput(ctx, Manifest(objects...), "apply", "-f", "-")
}

// RunWithInput runs kubectl with something to read for `-f -`.
func (k Kubectl) RunWithInput(ctx context.Context, input string, args ...string) Result {
	var stdout, stderr strings.Builder
	command := exec.CommandContext(ctx, k.Program, args...)
	home := filepath.Join(filepath.Dir(k.Kubeconfig), "kubectl")
	command.Env = []string{"KUBECONFIG=" + k.Kubeconfig, "HOME=" + home, "PATH=" + os.Getenv("PATH")}
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &stdout, &stderr
	err := command.Run()
	ginkgo.GinkgoWriter.Printf("$ kubectl %s\n%s%s", strings.Join(args, " "), stdout.String(), stderr.String())
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Err: err}
}

// Manifest is objects as users write them.
func Manifest(objects ...any) string {
	ginkgo.GinkgoHelper()
	var documents strings.Builder
	for _, object := range objects {
		document, err := yaml.Marshal(object)
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		documents.WriteString("---\n" + string(document))
	}
	return documents.String()
}
