package e2e

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// restarts is how often the containers of each of Dispatcher's pods were started again, and why they were the last
// time.
func restarts(ctx context.Context) map[string]string {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(admin.List(ctx, list, client.InNamespace(systemNamespace),
		client.MatchingLabels{"control-plane": "controller-manager"})).To(Succeed())
	all := map[string]string{}
	for _, pod := range list.Items {
		for _, container := range pod.Status.ContainerStatuses {
			reason := ""
			if ended := container.LastTerminationState.Terminated; ended != nil {
				reason = ended.Reason
			}
			all[pod.Name] += fmt.Sprintf("%s: %d %s", container.Name, container.RestartCount, reason)
		}
	}
	return all
}

// workingSets is how many bytes the containers of each of Dispatcher's pods hold, as their memory limit counts it.
// The kubelet looks every few seconds.
func workingSets(ctx context.Context) map[string]int64 {
	GinkgoHelper()
	nodes := &corev1.NodeList{}
	Expect(admin.List(ctx, nodes)).To(Succeed())
	all := map[string]int64{}
	for _, node := range nodes.Items {
		answer, err := kubernetes.NewForConfigOrDie(config).CoreV1().RESTClient().Get().
			Resource("nodes").Name(node.Name).SubResource("proxy").Suffix("stats/summary").DoRaw(ctx)
		Expect(err).NotTo(HaveOccurred())
		var summary struct {
			Pods []struct {
				PodRef     struct{ Name, Namespace string }
				Containers []struct {
					Memory struct{ WorkingSetBytes int64 }
				}
			}
		}
		Expect(json.Unmarshal(answer, &summary)).To(Succeed())
		for _, pod := range summary.Pods {
			for _, container := range pod.Containers {
				if pod.PodRef.Namespace == systemNamespace {
					all[pod.PodRef.Name] += container.Memory.WorkingSetBytes
				}
			}
		}
	}
	return all
}
