package server

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
)

// Where inotify is exhausted, a new certificate is used all the same.
func TestACertificateThatCannotBeWatchedIsReadAgain(t *testing.T) {
	directory := t.TempDir()
	options := Options{
		CertificateFile: filepath.Join(directory, "tls.crt"), KeyFile: filepath.Join(directory, "tls.key"),
	}
	newAuthority(t, "before").writeServing(options.CertificateFile, options.KeyFile)
	c, err := newCredentials(options)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := c.certificate.GetCertificate(nil)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go c.poll(ctx, logr.Discard())
		newAuthority(t, "after").writeServing(options.CertificateFile, options.KeyFile)
		time.Sleep(pollInterval + 1)
		synctest.Wait()
		if after, _ := c.certificate.GetCertificate(nil); after == before {
			t.Error("the certificate is still the old one")
		}
		cancel()
	})
}

// A client that can do no better than TLS 1.1 is refused, one that asks for HTTP/2 gets HTTP/1.1, and one without a
// certificate is refused a second time where the first check is not made.
func TestTLSOfTheWebhooks(t *testing.T) {
	r := run(t, Options{}, fine)
	dial := func(config *tls.Config) (*tls.Conn, error) {
		config.RootCAs = r.authority.pool()
		return tls.Dial("tcp", r.address, config)
	}
	if connection, err := dial(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		connection.Close()
		t.Error("TLS 1.1 is spoken")
	}
	connection, err := dial(&tls.Config{NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if got := connection.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("the protocol is %q", got)
	}
	if err := (&credentials{}).verifyName(tls.ConnectionState{}); err == nil {
		t.Error("no certificate has the name")
	}
}
