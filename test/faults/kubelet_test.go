package faults

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// startKubelet ends every pod about a second after it came, as a kubelet does whose containers end: those of the
// template called fails fail, all others succeed.
func (c *cluster) startKubelet() {
	pods, err := cache.New(c.plane.Config, cache.Options{
		Scheme:            c.admin.Scheme(),
		DefaultNamespaces: map[string]cache.Config{namespace: {}},
		DefaultTransform:  cache.TransformStripManagedFields(),
	})
	must(c.t, err)
	c.background(func(ctx context.Context) { _ = pods.Start(ctx) })
	_, err = pods.GetInformer(c.t.Context(), &corev1.Pod{})
	must(c.t, err)
	c.background(func(ctx context.Context) {
		for ; ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
			c.endPods(ctx, pods)
		}
	})
}

func (c *cluster) endPods(ctx context.Context, pods client.Reader) {
	found := &corev1.PodList{}
	if err := pods.List(ctx, found, client.InNamespace(namespace)); err != nil {
		c.t.Errorf("listing the pods that are cached: %v", err)
		return
	}
	for i := range found.Items {
		pod := &found.Items[i]
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if ended || pod.DeletionTimestamp != nil || time.Since(pod.CreationTimestamp.Time) < time.Second {
			continue
		}
		patch := client.MergeFrom(pod.DeepCopy())
		pod.Status.Phase = corev1.PodSucceeded
		if pod.Labels[dispatcherv1alpha1.LabelJobTemplate] == fails {
			pod.Status.Phase = corev1.PodFailed
		}
		// What the API server does not take now is tried again in a moment.
		if err := client.IgnoreNotFound(c.admin.Status().Patch(ctx, pod, patch)); err != nil {
			return
		}
	}
}
