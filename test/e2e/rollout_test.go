package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("While PUTs flow", func() {
	It("a rolling update loses none of them", func(ctx SpecContext) {
		load := startLoad(ctx, newNamespace(ctx))
		before := replicas(ctx)
		Expect(kubectl.Run(ctx, "-n", systemNamespace, "rollout", "restart", "deployment/"+deployment).Err).
			NotTo(HaveOccurred())
		eventuallyRolledOut(ctx)
		eventuallyGone(ctx, before...)
		load.eventuallyMore(ctx)
		load.finish(ctx)
	})

	It("the end of either replica loses none of them", func(ctx SpecContext) {
		load := startLoad(ctx, newNamespace(ctx))
		for _, replica := range replicas(ctx) { // one of them reconciles
			Expect(kubectl.Run(ctx, "-n", systemNamespace, "delete", "pod", replica, "--wait=false").Err).
				NotTo(HaveOccurred())
			eventuallyGone(ctx, replica)
			eventuallyRolledOut(ctx)
			load.eventuallyMore(ctx)
		}
		load.finish(ctx)
	})

	It("the sudden end of either replica loses none of them", func(ctx SpecContext) {
		load := startLoad(ctx, newNamespace(ctx))
		for _, replica := range replicas(ctx) {
			Expect(kubectl.Run(ctx, "-n", systemNamespace, "delete", "pod", replica, "--grace-period=0",
				"--force").Err).NotTo(HaveOccurred())
			eventuallyGone(ctx, replica)
			eventuallyRolledOut(ctx)
			load.eventuallyMore(ctx)
		}
		load.finish(ctx)
	})
})

// replicas are the names of Dispatcher's pods.
func replicas(ctx context.Context) []string {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(admin.List(ctx, list, client.InNamespace(systemNamespace),
		client.MatchingLabels{"control-plane": "controller-manager"})).To(Succeed())
	var names []string
	for _, pod := range list.Items {
		names = append(names, pod.Name)
	}
	Expect(len(names)).To(BeNumerically(">=", 2))
	return names
}

// eventuallyGone waits until pods of Dispatcher are no more.
func eventuallyGone(ctx context.Context, pods ...string) {
	GinkgoHelper()
	for _, pod := range pods {
		gone := kubectl.Run(ctx, "-n", systemNamespace, "wait", "--for=delete", "pod/"+pod, "--timeout=2m")
		Expect(gone.Err).NotTo(HaveOccurred(), gone.Stderr)
	}
}
