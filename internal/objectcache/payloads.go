package objectcache

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Payloads returns executions with their payload.
type Payloads struct {
	kept  *bounded[types.UID, string]
	live  client.Reader
	reads *semaphore.Weighted
}

// Payloads returns the payloads that the Cache keeps or that live, the API server, has.
func (c *Cache) Payloads(live client.Reader) *Payloads {
	return &Payloads{kept: c.payloads, live: live, reads: semaphore.NewWeighted(maxReads)}
}

// Restore returns the execution with its payload: itself, or a copy if the informer has left the payload out. The error
// is NotFound if the execution does not exist any more.
func (p *Payloads) Restore(
	ctx context.Context, execution *dispatcherv1alpha1.JobExecution,
) (*dispatcherv1alpha1.JobExecution, error) {
	if !IsIncomplete(execution) {
		return execution, nil
	}
	restored := execution.DeepCopy()
	delete(restored.Annotations, annotationIncomplete)
	if execution.Spec.Payload != "" {
		return restored, nil // A user has set the annotation.
	}
	payload, ok := p.kept.get(execution.UID)
	if !ok {
		var err error
		if payload, err = p.read(ctx, execution); err != nil {
			return nil, fmt.Errorf("reading the payload of the execution: %w", err)
		}
	}
	restored.Spec.Payload = payload
	return restored, nil
}

func (p *Payloads) read(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (string, error) {
	if err := p.reads.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer p.reads.Release(1)
	found := &dispatcherv1alpha1.JobExecution{}
	if err := p.live.Get(ctx, client.ObjectKeyFromObject(execution), found); err != nil {
		return "", err
	}
	if found.UID != execution.UID {
		resource := dispatcherv1alpha1.GroupVersion.WithResource("jobexecutions").GroupResource()
		return "", apierrors.NewNotFound(resource, execution.Name)
	}
	p.kept.put(execution.UID, found.Spec.Payload, int64(len(found.Spec.Payload)))
	return found.Spec.Payload, nil
}
