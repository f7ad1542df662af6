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

// webhooks are the configurations of config/webhook, with the manager's address in place of a Service, and a certificate
// that they trust. envtest does that for tests, and for us.
type webhooks struct {
	config  *rest.Config
	options envtest.WebhookInstallOptions
}

// newWebhooks makes the certificate. The caller must call options.Cleanup.
func newWebhooks(config *rest.Config) (*webhooks, error) {
	w := &webhooks{config: config, options: envtest.WebhookInstallOptions{
		Paths:            []string{"config/webhook"},
		LocalServingHost: webhookHost,
		LocalServingPort: webhookPort,
	}}
	if err := w.options.PrepWithoutInstalling(); err != nil {
		return nil, errors.Join(fmt.Errorf("making the webhooks' certificate: %w", err), w.options.Cleanup())
	}
	return w, nil
}

// register creates the configurations, or replaces those that a run which was killed has left.
func (w *webhooks) register() error {
	if err := w.options.Install(w.config); err != nil {
		return fmt.Errorf("registering the webhooks: %w", err)
	}
	return nil
}

// unregister deletes the configurations, as many as there are.
func (w *webhooks) unregister() error {
	c, err := client.New(w.config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	// The context of the run has ended: that is why we are here.
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
