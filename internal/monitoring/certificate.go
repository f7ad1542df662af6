package monitoring

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"

	"github.com/go-logr/logr"
	certutil "k8s.io/client-go/util/cert"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// tlsConfig returns the TLS settings of the metrics. mgr watches the certificate.
func tlsConfig(mgr ctrl.Manager, options MetricsOptions, log logr.Logger) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if options.HTTP2 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	if !exists(options.CertificateFile) || !exists(options.KeyFile) {
		certificate, err := selfSigned()
		config.Certificates = []tls.Certificate{certificate}
		return config, err
	}
	watcher, err := certwatcher.New(options.CertificateFile, options.KeyFile)
	if err != nil {
		return nil, err
	}
	config.GetCertificate = watcher.GetCertificate
	if err := mgr.Add(certificateWatch{watcher, log}); err != nil {
		return nil, fmt.Errorf("watching it: %w", err)
	}
	return config, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !os.IsNotExist(err)
}

// selfSigned returns a certificate that encrypts the connection and does not prove who serves.
func selfSigned() (tls.Certificate, error) {
	certificate, key, err := certutil.GenerateSelfSignedCertKeyWithFixtures("localhost", []net.IP{{127, 0, 0, 1}}, nil, "")
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("signing it: %w", err)
	}
	return tls.X509KeyPair(certificate, key)
}

// certificateWatch reads a certificate again when its files change.
type certificateWatch struct {
	*certwatcher.CertWatcher

	log logr.Logger
}

// Start watches until ctx ends. The manager goes on if the files cannot be watched.
func (w certificateWatch) Start(ctx context.Context) error {
	if err := w.CertWatcher.Start(ctx); err != nil && ctx.Err() == nil {
		w.log.Error(err, "the certificate of the metrics cannot be watched; a new one is used after a restart")
	}
	return nil
}
