package monitoring

import (
	"bytes"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	certutil "k8s.io/client-go/util/cert"
)

// The certificate that the files have is used, from the next connection on.
func TestANewCertificateIsUsed(t *testing.T) {
	directory := t.TempDir()
	options := MetricsOptions{
		Secure:          true,
		CertificateFile: filepath.Join(directory, "tls.crt"),
		KeyFile:         filepath.Join(directory, "tls.key"),
	}
	write := func(host string) {
		t.Helper()
		certificate, key, err := certutil.GenerateSelfSignedCertKey(host, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string][]byte{options.CertificateFile: certificate, options.KeyFile: key} {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("first.example")
	m, _ := run(t, options)
	served := func() []byte {
		t.Helper()
		connection, err := tls.Dial("tcp", m.address("metrics"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		return connection.ConnectionState().PeerCertificates[0].Raw
	}
	first := served()
	if !bytes.Contains(first, []byte("first.example")) {
		t.Error("another certificate is served")
	}
	write("second.example")
	for bytes.Equal(served(), first) { // Else the test's own time-out ends it.
	}
	if !bytes.Contains(served(), []byte("second.example")) {
		t.Error("another certificate is served")
	}
}
