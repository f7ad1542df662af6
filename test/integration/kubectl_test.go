package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// result is what a user of kubectl sees.
type result struct {
	stdout, stderr string
	err            error
}

// kubectl runs the kubectl of the control plane's version, as the administrator.
func kubectl(ctx context.Context, args ...string) result {
	return kubectlWithInput(ctx, "", args...)
}

// kubectlApply applies objects client-side, as `kubectl apply -f` does.
func kubectlApply(ctx context.Context, objects ...any) result {
	var documents strings.Builder
	for _, object := range objects {
		document, err := yaml.Marshal(object)
		Expect(err).NotTo(HaveOccurred())
		documents.WriteString("---\n" + string(document))
	}
	return kubectlWithInput(ctx, documents.String(), "apply", "-f", "-")
}

func kubectlWithInput(ctx context.Context, input string, args ...string) result {
	var stdout, stderr strings.Builder
	home := filepath.Join(filepath.Dir(plane.Kubeconfig), "kubectl")
	command := exec.CommandContext(ctx, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	command.Env = []string{"KUBECONFIG=" + plane.Kubeconfig, "HOME=" + home, "PATH=" + os.Getenv("PATH")}
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &stdout, &stderr
	err := command.Run()
	if args[0] != "kustomize" { // which prints thousands of lines
		GinkgoWriter.Printf("kubectl %s\n%s%s", strings.Join(args, " "), stdout.String(), stderr.String())
	}
	return result{stdout: stdout.String(), stderr: stderr.String(), err: err}
}
