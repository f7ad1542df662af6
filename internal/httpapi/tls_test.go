package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	certutil "k8s.io/client-go/util/cert"
)

// A caller that does not read its answer is cut: the handler's write fails, and it holds its place no longer.
func TestSlowReadersAreCut(t *testing.T) {
	s := newFakeAPIServer(t).server(t, testOptions())
	s.http.WriteTimeout = 300 * time.Millisecond
	failed := make(chan struct{})
	s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for part := make([]byte, 1<<20); ; {
			if _, err := w.Write(part); err != nil {
				close(failed)
				return
			}
		}
	})
	connection, err := net.Dial("tcp", start(t, s).address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-failed:
	case <-time.After(time.Minute):
		t.Error("an answer that nobody reads is written without end")
	}
}

// certificateFiles writes a certificate for 127.0.0.1 and returns options that name it, and who trusts it.
func certificateFiles(t *testing.T) (Options, *x509.CertPool) {
	t.Helper()
	certificate, key, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	options := testOptions()
	directory := t.TempDir()
	options.CertificateFile, options.KeyFile = filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")
	for name, content := range map[string][]byte{options.CertificateFile: certificate, options.KeyFile: key} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificate)
	return options, trusted
}

func startTLS(t *testing.T, options Options, change ...func(*http.Server)) *running {
	t.Helper()
	secure, err := newTLS(options, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(testDependencies(newFakeAPIServer(t).client(t), options), options, logr.Discard())
	s.http.TLSConfig = secure.config()
	for _, change := range change {
		change(s.http)
	}
	return start(t, s)
}

// The time-outs hold for a handshake that does not come, too.
func TestSlowHandshakesAreCut(t *testing.T) {
	options, _ := certificateFiles(t)
	impatient := func(server *http.Server) { server.ReadHeaderTimeout = 300 * time.Millisecond }
	if answer := startTLS(t, options, impatient).exchange(t, "\x16\x03\x01"); answer != "" {
		t.Errorf("answered %q", answer)
	}
}

func TestHTTP2IsOfferedOnlyWhereAskedFor(t *testing.T) {
	for _, clientCAs := range []bool{false, true} {
		for offered, want := range map[bool]string{false: "http/1.1", true: "h2"} {
			options, trusted := certificateFiles(t)
			options.HTTP2 = offered
			if clientCAs {
				options.ClientCAFile = options.CertificateFile
			}
			connection, err := tls.Dial(
				"tcp",
				startTLS(t, options).address,
				&tls.Config{RootCAs: trusted, NextProtos: []string{"h2", "http/1.1"}},
			)
			if err != nil {
				t.Fatal(err)
			}
			if got := connection.ConnectionState().NegotiatedProtocol; got != want {
				t.Errorf("with HTTP2 = %t and client certificates %t, %q was chosen, want %q", offered, clientCAs, got, want)
			}
			connection.Close()
		}
	}
}

// A client with several certificates has to know which of them is meant. The list follows the file.
func TestClientsAreToldTheCAs(t *testing.T) {
	options, trusted := certificateFiles(t)
	options.ClientCAFile = options.CertificateFile
	r := startTLS(t, options)
	var named [][]byte
	connection, err := tls.Dial(
		"tcp",
		r.address,
		&tls.Config{
			RootCAs: trusted,
			GetClientCertificate: func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				named = asked.AcceptableCAs
				return &tls.Certificate{}, nil
			},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	issuer := connection.ConnectionState().PeerCertificates[0].RawIssuer
	if len(named) == 0 || !bytes.Equal(named[len(named)-1], issuer) && !bytes.Equal(named[0], issuer) {
		t.Errorf("the server names %d CAs, and not the one that it has", len(named))
	}
}

func TestTLSNeedsItsFiles(t *testing.T) {
	good, _ := certificateFiles(t)
	for _, test := range []struct {
		reason string
		change func(*Options)
	}{
		{"no certificate", func(o *Options) { o.CertificateFile = "/no/such" }},
		{"no key", func(o *Options) { o.KeyFile = "/no/such" }},
		{"a key of something else", func(o *Options) { o.KeyFile = o.CertificateFile }},
		{"no CA", func(o *Options) { o.ClientCAFile = "/no/such" }},
		{"no CA in the file", func(o *Options) { o.ClientCAFile = o.KeyFile }},
	} {
		options := good
		test.change(&options)
		if _, err := newTLS(options, logr.Discard()); err == nil {
			t.Errorf("%s: no error", test.reason)
		}
	}
	if secure, err := newTLS(testOptions(), logr.Discard()); secure != nil || err != nil ||
		secure.clientCAProvider() != dynamiccertificates.CAContentProvider(nil) {
		t.Errorf("without a certificate: %v, %v", secure, err)
	}
}

func TestTLSEndsWithTheManager(t *testing.T) {
	options, _ := certificateFiles(t)
	options.ClientCAFile = options.CertificateFile
	secure, err := newTLS(options, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- secure.Start(ctx) }()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the files are watched after the manager has ended")
	}
	if secure.NeedLeaderElection() || (&accessReport{}).NeedLeaderElection() {
		t.Error("a replica that is not the leader must do this too")
	}
}

// Files that cannot be watched do not end the manager. A certificate that is replaced is used all the same.
func TestCertificateThatCannotBeWatchedIsReadAgain(t *testing.T) {
	options, _ := certificateFiles(t)
	other, _ := certificateFiles(t)
	secure, err := newTLS(options, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	served := func() []byte {
		certificate, err := secure.certificate.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return certificate.Certificate[0]
	}
	before := served()
	if err := os.Remove(options.CertificateFile); err != nil { // What is not there cannot be watched.
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- secure.Start(ctx) }()
		time.Sleep(time.Minute)
		for from, to := range map[string]string{
			other.CertificateFile: options.CertificateFile, other.KeyFile: options.KeyFile,
		} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if bytes.Equal(served(), before) {
			t.Error("the old certificate is served still")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
