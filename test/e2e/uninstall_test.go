package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
)

// before is what the cluster held before Dispatcher was installed; nothing where it was installed already.
var before []string

// The last of all: no other spec can run afterwards.
var _ = Describe("To uninstall Dispatcher", SpecPriority(-2), func() {
	It("as the README says leaves no object behind", func(ctx SpecContext) {
		if before == nil {
			Skip("the cluster had Dispatcher when the suite began, so what it is to look like without is not known")
		}
		namespace := newNamespace(ctx)
		createTemplate(ctx, newTemplate(namespace, "slow", "sleep", "600"))
		running := put(ctx, namespace, "slow", "").Execution()
		Eventually(func() int { return len(admin.Pods(ctx, running)) }).WithContext(ctx).ShouldNot(BeZero())

		remove := exec.CommandContext(ctx, filepath.Join(root, "hack", "remove-executions.sh"))
		remove.Env = append(os.Environ(), "KUBECTL=kubectl", "KUBECONFIG="+filepath.Join(cluster, "kubeconfig"))
		output, err := remove.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(output))
		removed := kubectl.Run(ctx, "delete", "-f", installer())
		Expect(removed.Err).NotTo(HaveOccurred(), removed.Stderr)
		Expect(kubectl.Run(ctx, "delete", "namespace", namespace).Err).NotTo(HaveOccurred())

		Eventually(func() []string {
			return slices.DeleteFunc(inventory(ctx), func(object string) bool { return slices.Contains(before, object) })
		}).WithContext(ctx).Should(BeEmpty(), "objects that were not there before")
	})
})

// inventory lists every object of every kind that can be listed. Events are left out, since they go by themselves, an
// hour later.
func inventory(ctx context.Context) []string {
	GinkgoHelper()
	lists, err := discovery.NewDiscoveryClientForConfigOrDie(config).ServerPreferredResources()
	Expect(err).NotTo(HaveOccurred())
	objects := metadata.NewForConfigOrDie(config)
	var all []string
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		Expect(err).NotTo(HaveOccurred())
		for _, resource := range list.APIResources {
			if resource.Kind == "Event" || !slices.Contains(resource.Verbs, "list") {
				continue
			}
			found, err := objects.Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred(), "listing %s", resource.Name)
			for _, object := range found.Items {
				all = append(all, strings.Join([]string{list.GroupVersion, resource.Kind, object.Namespace, object.Name}, " "))
			}
		}
	}
	return all
}
