package controlplane

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: der})
}

// ReplaceCertificate gives the webhooks a new serving certificate of another authority while they run: as cert-manager
// does, it first writes the Secret (here the files), and the configurations learn of it afterwards. They trust both
// certificates, and trust only the new one when the returned function is called.
func (c *ControlPlane) ReplaceCertificate(ctx context.Context) (trustNewOnly func() error, err error) {
	certificate, key, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, []string{"localhost"})
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	directory := c.CertificateDirectory()
	previous, err := os.ReadFile(filepath.Join(directory, "tls.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate in use: %w", err)
	}
	if err := c.setCABundle(ctx, append(append([]byte{}, previous...), certificate...)); err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"tls.key": key, "tls.crt": certificate} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			return nil, fmt.Errorf("replacing the certificate: %w", err)
		}
	}
	return func() error { return c.setCABundle(ctx, certificate) }, nil
}

func (c *ControlPlane) setCABundle(ctx context.Context, bundle []byte) error {
	return c.changeWebhooks(ctx, func(config *admissionregistrationv1.WebhookClientConfig) error {
		config.CABundle = bundle
		return nil
	})
}

// SendWebhooksTo lets the API server send its admission requests straight to a manager, past the Forwarder. What
// measures uses it.
func (c *ControlPlane) SendWebhooksTo(ctx context.Context, m *Manager) error {
	return c.changeWebhooks(ctx, func(config *admissionregistrationv1.WebhookClientConfig) error {
		target, err := url.Parse(ptr.Deref(config.URL, ""))
		if err != nil {
			return fmt.Errorf("parsing the URL of a webhook: %w", err)
		}
		target.Host = m.webhook
		config.URL = new(target.String())
		return nil
	})
}

// changeWebhooks lets edit change where and how each webhook is called.
func (c *ControlPlane) changeWebhooks(
	ctx context.Context, edit func(*admissionregistrationv1.WebhookClientConfig) error,
) error {
	admin, err := client.New(c.Config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	for _, named := range c.environment.WebhookInstallOptions.ValidatingWebhooks {
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: named.Name},
		}
		if err := change(ctx, admin, configuration, func() (err error) {
			for i := range configuration.Webhooks {
				err = errors.Join(err, edit(&configuration.Webhooks[i].ClientConfig))
			}
			return err
		}); err != nil {
			return err
		}
	}
	for _, named := range c.environment.WebhookInstallOptions.MutatingWebhooks {
		configuration := &admissionregistrationv1.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: named.Name},
		}
		if err := change(ctx, admin, configuration, func() (err error) {
			for i := range configuration.Webhooks {
				err = errors.Join(err, edit(&configuration.Webhooks[i].ClientConfig))
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// change reads a webhook configuration, lets edit change it, and stores it.
func change(ctx context.Context, admin client.Client, configuration client.Object, edit func() error) error {
	if err := admin.Get(ctx, client.ObjectKeyFromObject(configuration), configuration); err != nil {
		return fmt.Errorf("reading a webhook configuration: %w", err)
	}
	if err := edit(); err != nil {
		return err
	}
	if err := admin.Update(ctx, configuration); err != nil {
		return fmt.Errorf("updating a webhook configuration: %w", err)
	}
	return nil
}
