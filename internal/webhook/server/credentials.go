package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// credentials are the certificate that the server shows and the CA of those that it asks for.
type credentials struct {
	certificate *certwatcher.CertWatcher
	clientCA    *dynamiccertificates.DynamicFileCAContent // nil where no client certificate is required
	clientNames []string
}

// newCredentials reads the files that options name.
func newCredentials(options Options) (*credentials, error) {
	c := &credentials{clientNames: options.ClientNames}
	var err error
	if c.certificate, err = certwatcher.New(options.CertificateFile, options.KeyFile); err != nil {
		return nil, fmt.Errorf("reading the certificate of the webhook server: %w", err)
	}
	if options.ClientCAFile == "" {
		return c, nil
	}
	c.clientCA, err = dynamiccertificates.NewDynamicCAContentFromFile("webhook-client-ca", options.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("--webhook-client-ca-file: %w", err)
	}
	return c, nil
}

// config returns the server's side of TLS.
func (c *credentials) config() *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: c.certificate.GetCertificate,
	}
	if c.clientCA == nil {
		return config
	}
	// Every connection shows its certificate: a resumed one could be older than the CA.
	config.SessionTicketsDisabled = true
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool() // Nobody, where GetConfigForClient is not called.
	config.VerifyConnection = c.verifyName
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		current := config.Clone()
		current.ClientCAs = x509.NewCertPool()
		current.ClientCAs.AppendCertsFromPEM(c.clientCA.CurrentCABundleContent())
		return current, nil
	}
	return config
}

// verifyName refuses a verified client certificate that has none of the names.
func (c *credentials) verifyName(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("a client certificate is required")
	}
	if len(c.clientNames) == 0 {
		return nil
	}
	certificate := state.PeerCertificates[0]
	for _, name := range append([]string{certificate.Subject.CommonName}, certificate.DNSNames...) {
		if slices.Contains(c.clientNames, name) {
			return nil
		}
	}
	return fmt.Errorf("the client certificate of %q has none of the required names", certificate.Subject.CommonName)
}

// watch reads the files again when they change, until ctx ends.
func (c *credentials) watch(ctx context.Context, log logr.Logger) {
	var watching sync.WaitGroup
	defer watching.Wait()
	if c.clientCA != nil {
		watching.Go(func() { c.clientCA.Run(ctx, 1) })
	}
	if err := c.certificate.Start(ctx); err != nil {
		log.Error(err, "watching the certificate of the webhook server: it is read every 10 seconds instead")
		c.poll(ctx, log)
	}
}

// pollInterval is how often the certificate is read where it cannot be watched.
const pollInterval = 10 * time.Second

// poll reads the certificate again and again, until ctx ends.
func (c *credentials) poll(ctx context.Context, log logr.Logger) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := c.certificate.ReadCertificate(); err != nil {
				log.Error(err, "reading the certificate of the webhook server")
			}
		}
	}
}
