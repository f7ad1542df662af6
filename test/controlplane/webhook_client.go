package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// WebhookClientName is the common name of the certificate that the API server shows to webhooks.
const WebhookClientName = "kube-apiserver-webhooks"

// WithWebhookClientCertificate makes the API server show webhooks a client certificate, as docs/access.md describes it.
func WithWebhookClientCertificate() Option {
	return func(c *ControlPlane) { c.webhookClient = true }
}

// WebhookClientCAFile has the authority of the certificate that the API server shows to webhooks.
func (c *ControlPlane) WebhookClientCAFile() string {
	return filepath.Join(c.directory, "webhook-client-ca.crt")
}

// The two files of docs/access.md. The user's name is the host that the certificate is for: here, every one.
const (
	webhookKubeconfig = `apiVersion: v1
kind: Config
users:
- name: "*"
  user:
    client-certificate: %s
    client-key: %s
`
	admissionConfiguration = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ValidatingAdmissionWebhook
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: %[1]s
- name: MutatingAdmissionWebhook
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: %[1]s
`
)

// configureWebhookClient writes what the API server needs to show a client certificate.
func (c *ControlPlane) configureWebhookClient() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of an authority: %w", err)
	}
	ca, err := certutil.NewSelfSignedCACert(certutil.Config{CommonName: "webhook-client-ca"}, caKey)
	if err != nil {
		return fmt.Errorf("making an authority: %w", err)
	}
	client, err := newClientCertificate(WebhookClientName, ca, caKey)
	if err != nil {
		return err
	}
	key, err := keyutil.MarshalPrivateKeyToPEM(client.PrivateKey)
	if err != nil {
		return fmt.Errorf("encoding a key: %w", err)
	}
	in := func(name string) string { return filepath.Join(c.directory, name) }
	for path, content := range map[string][]byte{
		c.WebhookClientCAFile():  encodeCertificate(ca.Raw),
		in("webhook-client.crt"): encodeCertificate(client.Certificate[0]),
		in("webhook-client.key"): key,
		in("webhook-kubeconfig.yaml"): fmt.Appendf(
			nil, webhookKubeconfig, in("webhook-client.crt"), in("webhook-client.key"),
		),
		in("admission-configuration.yaml"): fmt.Appendf(nil, admissionConfiguration, in("webhook-kubeconfig.yaml")),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return fmt.Errorf("configuring the API server's client certificate: %w", err)
		}
	}
	c.environment.ControlPlane.GetAPIServer().Configure().
		Append("admission-control-config-file", in("admission-configuration.yaml"))
	return nil
}

// newClientCertificate returns a client certificate of an authority.
func newClientCertificate(name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: ca.NotBefore, NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca, &key.PublicKey, caKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("signing a client certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
