package controlplane

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
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
	admin, err := client.New(c.Config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	for _, named := range c.environment.WebhookInstallOptions.ValidatingWebhooks {
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: named.Name}}
		if err := change(ctx, admin, configuration, func() {
			for i := range configuration.Webhooks {
				configuration.Webhooks[i].ClientConfig.CABundle = bundle
			}
		}); err != nil {
			return err
		}
	}
	for _, named := range c.environment.WebhookInstallOptions.MutatingWebhooks {
		configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: named.Name}}
		if err := change(ctx, admin, configuration, func() {
			for i := range configuration.Webhooks {
				configuration.Webhooks[i].ClientConfig.CABundle = bundle
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// change reads a webhook configuration, lets edit change it, and stores it.
func change(ctx context.Context, admin client.Client, configuration client.Object, edit func()) error {
	if err := admin.Get(ctx, client.ObjectKeyFromObject(configuration), configuration); err != nil {
		return fmt.Errorf("reading a webhook configuration: %w", err)
	}
	edit()
	if err := admin.Update(ctx, configuration); err != nil {
		return fmt.Errorf("updating a webhook configuration: %w", err)
	}
	return nil
}
