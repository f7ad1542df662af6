package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	webhookHost = "127.0.0.1"
	webhookPort = 9443

	unregisterTimeout = 10 * time.Second
)

var webhookAddress = net.JoinHostPort(webhookHost, strconv.Itoa(webhookPort))

// webhooks are the configurations of config/webhook, with the manager's address instead of a Service, and a certificate
// that they trust. envtest provides this for tests.
type webhooks struct {
	config  *rest.Config
	options envtest.WebhookInstallOptions
}

// newWebhooks creates the certificate. The caller must call options.Cleanup.
func newWebhooks(config *rest.Config) (*webhooks, error) {
	w := &webhooks{config: config, options: envtest.WebhookInstallOptions{
		Paths:            []string{"config/webhook"},
		LocalServingHost: webhookHost,
		LocalServingPort: webhookPort,
	}}
	if err := w.options.PrepWithoutInstalling(); err != nil {
		return nil, errors.Join(fmt.Errorf("creating the webhooks' certificate: %w", err), w.options.Cleanup())
	}
	return w, nil
}

// register creates the configurations. It replaces those that an earlier run did not delete because it was killed.
func (w *webhooks) register() error {
	if err := w.options.Install(w.config); err != nil {
		return fmt.Errorf("registering the webhooks: %w", err)
	}
	return nil
}

// unregister deletes the configurations.
func (w *webhooks) unregister() error {
	c, err := client.New(w.config, client.Options{})
	if err != nil {
		return fmt.Errorf("creating a client: %w", err)
	}
	// The run's context has ended already.
	ctx, cancel := context.WithTimeout(context.Background(), unregisterTimeout)
	defer cancel()
	var configurations []client.Object
	for _, configuration := range w.options.MutatingWebhooks {
		configurations = append(configurations, configuration)
	}
	for _, configuration := range w.options.ValidatingWebhooks {
		configurations = append(configurations, configuration)
	}
	var errs []error
	for _, configuration := range configurations {
		if err := client.IgnoreNotFound(c.Delete(ctx, configuration)); err != nil {
			errs = append(errs, fmt.Errorf("removing the webhook configuration %s: %w", configuration.GetName(), err))
		}
	}
	return errors.Join(errs...)
}
