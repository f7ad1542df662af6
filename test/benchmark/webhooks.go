package main

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// removeWebhooks removes every webhook configuration, and returns what was removed.
func (b *bench) removeWebhooks(ctx context.Context) ([]client.Object, error) {
	validating := &admissionregistrationv1.ValidatingWebhookConfigurationList{}
	mutating := &admissionregistrationv1.MutatingWebhookConfigurationList{}
	for _, list := range []client.ObjectList{validating, mutating} {
		if err := b.admin.List(ctx, list); err != nil {
			return nil, fmt.Errorf("listing the webhook configurations: %w", err)
		}
	}
	var found []client.Object
	for i := range validating.Items {
		found = append(found, &validating.Items[i])
	}
	for i := range mutating.Items {
		found = append(found, &mutating.Items[i])
	}
	for _, configuration := range found {
		if err := b.admin.Delete(ctx, configuration); err != nil {
			return nil, fmt.Errorf("removing a webhook configuration: %w", err)
		}
	}
	return found, nil
}
