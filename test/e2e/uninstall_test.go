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
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// before is what the cluster held before Dispatcher was installed; nothing where it was installed already.
var before []string

// The last of all: no other spec can run afterwards. Dispatcher is installed again between them.
var _ = Describe("To uninstall Dispatcher", Ordered, ContinueOnFailure, SpecPriority(-2), func() {
	// tenant makes a namespace with an execution that runs and one that has ended, whose Jobs have a time to live.
	tenant := func(ctx context.Context) string {
		GinkgoHelper()
		namespace := newNamespace(ctx)
		for name, command := range map[string][]string{"slow": {"sleep", "600"}, "quick": {"true"}} {
			template := newTemplate(namespace, name, command...)
			job(template).TTLSecondsAfterFinished = new(int32(600))
			createTemplate(ctx, template)
		}
		running, ended := put(ctx, namespace, "slow", "").Execution(), put(ctx, namespace, "quick", "").Execution()
		eventuallyFinished(ctx, ended)
		eventuallyReason(ctx, running, dispatcherv1alpha1.ReasonRunning)
		return namespace
	}
	run := func(ctx context.Context, args ...string) {
		GinkgoHelper()
		ran := kubectl.Run(ctx, args...)
		Expect(ran.Err).NotTo(HaveOccurred(), ran.Stderr)
	}
	// leaves checks that a tenant can go, with all its Jobs, and what of them is still there.
	leaves := func(ctx context.Context, namespace string) {
		GinkgoHelper()
		run(ctx, "delete", "namespace", namespace, "--timeout=2m")
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
	}

	It("by deleting its namespace holds up no Job and no namespace", func(ctx SpecContext) {
		namespace, other := tenant(ctx), tenant(ctx)
		run(ctx, "delete", "namespace", systemNamespace, "--timeout=2m")
		leaves(ctx, namespace)

		By("deleting the Jobs of another tenant by hand")
		run(ctx, "-n", other, "delete", "jobs", "--all", "--timeout=1m")
		run(ctx, "-n", other, "delete", "jobexecutions", "--all", "--timeout=1m")
		leaves(ctx, other)
	})

	It("by deleting its manifests holds up no Job and no namespace", func(ctx SpecContext) {
		install(ctx)
		namespace := tenant(ctx)
		run(ctx, "delete", "-f", installer(), "--timeout=2m")
		Eventually(func() []batchv1.Job { return admin.Jobs(ctx, namespace) }).WithContext(ctx).
			Should(BeEmpty(), "they go with their executions")
		leaves(ctx, namespace)
	})

	It("by make undeploy, as the README says, leaves no object behind", func(ctx SpecContext) {
		if before == nil {
			Skip("the cluster had Dispatcher when the suite began, so what it is to look like without is not known")
		}
		install(ctx)
		namespace := tenant(ctx)
		remove := exec.CommandContext(ctx, "make", "undeploy", "KUBECTL=kubectl")
		remove.Dir = root
		remove.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(cluster, "kubeconfig"))
		output, err := remove.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(output))
		leaves(ctx, namespace)
		Eventually(func() []string {
			return slices.DeleteFunc(inventory(ctx), func(object string) bool {
				return slices.Contains(before,
					object)
			})
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
				all = append(all, strings.Join([]string{list.GroupVersion, resource.Kind, object.Namespace,
					object.Name}, " "))
			}
		}
	}
	return all
}
