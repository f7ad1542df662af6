package faults

import (
	"context"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// objectFaults are what people do to a template while it is executed. What they do to executions is part of each plan.
func (c *cluster) objectFaults() []fault {
	return []fault{
		{"a template edited so that it refuses text", c.edit(refuseText)},
		{"a template edited", c.edit(func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Spec.Template.Labels = map[string]string{"edited": "yes"}
		})},
		{"a template deleted", c.deleteTemplate},
	}
}

// edit changes the template for a while.
func (c *cluster) edit(change func(*dispatcherv1alpha1.JobTemplate)) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		length := between(random, time.Second, 4*time.Second)
		c.store(ctx, template(edited, change))
		pause(ctx, length)
		c.store(context.WithoutCancel(ctx), template(edited))
	}
}

// deleteTemplate takes the template away for a while.
func (c *cluster) deleteTemplate(ctx context.Context, random *rand.Rand) {
	length := between(random, 100*time.Millisecond, 2*time.Second)
	_ = c.admin.Delete(ctx, template(edited)) // At times nobody can.
	pause(ctx, length)
	c.store(context.WithoutCancel(ctx), template(edited))
}

// store makes a template what it should be, as soon as the API server and the webhooks let it, or gives up when ctx
// ends.
func (c *cluster) store(ctx context.Context, wanted *dispatcherv1alpha1.JobTemplate) {
	for end := time.Now().Add(2 * time.Minute); ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
		err := c.tryToStore(ctx, wanted)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			c.t.Errorf("template %s cannot be stored: %v", wanted.Name, err)
			return
		}
	}
}

func (c *cluster) tryToStore(ctx context.Context, wanted *dispatcherv1alpha1.JobTemplate) error {
	stored := &dispatcherv1alpha1.JobTemplate{}
	err := c.admin.Get(ctx, client.ObjectKeyFromObject(wanted), stored)
	if apierrors.IsNotFound(err) {
		return c.admin.Create(ctx, wanted.DeepCopy())
	}
	if err != nil {
		return err
	}
	stored.Spec = *wanted.Spec.DeepCopy()
	return c.admin.Update(ctx, stored)
}
