package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// serverTLS is what the HTTP API is served with, nil where that is plain HTTP. It runs as a part of the manager. Its
// files are watched: a certificate that is replaced is used from the next connection on.
type serverTLS struct {
	certificate *certwatcher.CertWatcher
	clientCAs   *dynamiccertificates.DynamicFileCAContent // nil where no client certificates are taken
	nextProtos  []string
	log         logr.Logger
}

// readAgain is how often the certificate is read where its files cannot be watched.
const readAgain = 10 * time.Second

// newTLS reads the files that options name.
func newTLS(options Options, log logr.Logger) (*serverTLS, error) {
	if !options.tls() {
		return nil, nil
	}
	t := &serverTLS{nextProtos: []string{"http/1.1"}, log: log}
	if options.HTTP2 {
		t.nextProtos = []string{"h2", "http/1.1"}
	}
	var err error
	if t.certificate, err = certwatcher.New(options.CertificateFile, options.KeyFile); err != nil {
		return nil, fmt.Errorf("--web-server-cert-path: %w", err)
	}
	if options.ClientCAFile == "" {
		return t, nil
	}
	if t.clientCAs, err = dynamiccertificates.NewDynamicCAContentFromFile("client-ca", options.ClientCAFile); err != nil {
		return nil, fmt.Errorf("--client-ca-file: %w", err)
	}
	return t, nil
}

// clientCAProvider returns what client certificates have to be signed by, nil where none are taken.
func (t *serverTLS) clientCAProvider() dynamiccertificates.CAContentProvider {
	if t == nil || t.clientCAs == nil {
		return nil
	}
	return t.clientCAs
}

// config returns the server's side of TLS. Client certificates are asked for and not demanded, and it is the
// authentication that verifies them: a bad one is answered with a problem that says so, and not with a broken
// handshake.
func (t *serverTLS) config() *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     t.nextProtos,
		GetCertificate: t.certificate.GetCertificate,
	}
	if t.clientCAs == nil {
		return config
	}
	config.ClientAuth = tls.RequestClientCert
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		// The names of the CAs, so that a client with several certificates sends the right one.
		current := config.Clone()
		current.ClientCAs = x509.NewCertPool()
		current.ClientCAs.AppendCertsFromPEM(t.clientCAs.CurrentCABundleContent())
		return current, nil
	}
	return config
}

// NeedLeaderElection makes every replica watch its files.
func (*serverTLS) NeedLeaderElection() bool { return false }

// Start watches the files until ctx ends. Where they cannot be watched, as on a node that has no inotify watches left,
// the certificate is read from time to time, and what is being served goes on.
func (t *serverTLS) Start(ctx context.Context) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if t.clientCAs != nil {
		watching.Go(func() { t.clientCAs.Run(ctx, 1) })
	}
	if err := t.certificate.Start(ctx); err != nil && ctx.Err() == nil {
		t.log.Error(err, "the certificate of the HTTP API cannot be watched, and is read from time to time",
			"interval", readAgain.String())
		t.poll(ctx)
	}
	return nil
}

// poll reads the certificate from time to time until ctx ends.
func (t *serverTLS) poll(ctx context.Context) {
	ticker := time.NewTicker(readAgain)
	defer ticker.Stop()
	for {
		if err := t.certificate.ReadCertificate(); err != nil {
			t.log.Error(err, "reading the certificate of the HTTP API again")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// protocols leaves HTTP/2 out unless it is asked for: its streams let one client make a server work far more than it
// sends (CVE-2023-44487 and CVE-2023-39325). Without TLS there is none anyway.
func protocols(options Options) *http.Protocols {
	offered := &http.Protocols{}
	offered.SetHTTP1(true)
	offered.SetHTTP2(options.HTTP2)
	return offered
}
