package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// lifeExecutions is how many executions are followed to their end.
const lifeExecutions = 50

// measureLife counts the writes of executions from the PUT to the end of their pods.
func (b *bench) measureLife(ctx context.Context) (requests, error) {
	progress("following %d executions to their end", lifeExecutions)
	template, err := b.newNamespace(ctx)
	if err != nil {
		return requests{}, err
	}
	before, err := b.apiServer.settled(ctx)
	if err != nil {
		return requests{}, err
	}
	for range lifeExecutions {
		if _, err := b.put.execute(ctx, template.Namespace); err != nil {
			return requests{}, err
		}
	}
	if _, err := b.apiServer.settled(ctx); err != nil {
		return requests{}, err
	}
	if err := b.endPods(ctx, template.Namespace); err != nil {
		return requests{}, err
	}
	// The events of a success are written last, after a moment.
	time.Sleep(2 * time.Second)
	after, err := b.apiServer.settled(ctx)
	if err != nil {
		return requests{}, err
	}
	executions := &dispatcherv1alpha1.JobExecutionList{}
	if err := b.admin.List(ctx, executions, client.InNamespace(template.Namespace)); err != nil {
		return requests{}, fmt.Errorf("listing the executions: %w", err)
	}
	for i := range executions.Items {
		if !executions.Items[i].IsFinished() {
			return requests{}, fmt.Errorf("execution %s did not finish", executions.Items[i].Name)
		}
	}
	return after.since(before), nil
}

// endPods does what a kubelet would do.
func (b *bench) endPods(ctx context.Context, namespace string) error {
	pods := &corev1.PodList{}
	if err := b.admin.List(ctx, pods, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("listing the pods: %w", err)
	}
	for i := range pods.Items {
		pods.Items[i].Status.Phase = corev1.PodSucceeded
		if err := b.admin.Status().Update(ctx, &pods.Items[i]); err != nil {
			return fmt.Errorf("ending a pod: %w", err)
		}
	}
	return nil
}
