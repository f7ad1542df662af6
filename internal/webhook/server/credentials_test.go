package server

import (
	"context"
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
