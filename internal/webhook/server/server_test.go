package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const path = "/hook"

// review is what the API server sends.
const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","object":{}}}`

// testConnections is how many connections a server of a test has at a time.
const testConnections = 8

// running is a server that runs until its test ends.
type running struct {
	t         *testing.T
	server    *Server
	address   string
	authority *authority // of the serving certificate
}

// run starts a server with one hook. options need not name an address or a certificate.
func run(t *testing.T, options Options, hook http.HandlerFunc) *running {
	t.Helper()
	directory := t.TempDir()
	serving := newAuthority(t, "serving")
	options.CertificateFile, options.KeyFile = filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")
	serving.writeServing(options.CertificateFile, options.KeyFile)

	// The server listens by itself in Start; here the port must be known.
	credentials, err := newCredentials(options)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := New(options)
	server.connections = testConnections
	server.Register(path, hook)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- server.serveTLS(ctx, listener, credentials) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return &running{t: t, server: server, address: listener.Addr().String(), authority: serving}
}

// client returns a client that makes a new connection for each request, with a certificate where one is given.
func (r *running) client(certificates ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: r.authority.pool(), Certificates: certificates},
	}}
}

// ask posts a review and returns the status of the answer.
func (r *running) ask(client *http.Client) (int, error) {
	r.t.Helper()
	response, err := client.Post("https://"+r.address+path, "application/json", strings.NewReader(review))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "{}") }

func TestWithoutClientCAEveryoneIsAnswered(t *testing.T) {
	r := run(t, Options{}, fine)
	if status, err := r.ask(r.client()); err != nil || status != http.StatusOK {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestOnlyTheAPIServersCertificateIsAccepted(t *testing.T) {
	trusted, foreign := newAuthority(t, "trusted"), newAuthority(t, "foreign")
	file := filepath.Join(t.TempDir(), "ca.crt")
	trusted.write(file)

	const client, server = x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	for _, test := range []struct {
		reason      string
		names       []string
		certificate []tls.Certificate
		accepted    bool
	}{
		{"any name, where none is required", nil, []tls.Certificate{trusted.issue("anyone", client)}, true},
		{"the name as common name", []string{"other", "api"}, []tls.Certificate{trusted.issue("api", client)}, true},
		{"the name as DNS name", []string{"api.local"}, []tls.Certificate{trusted.issue("x", client, "y", "api.local")}, true},
		{"no certificate", nil, nil, false},
		{"another CA", nil, []tls.Certificate{foreign.issue("api", client)}, false},
		{"another CA with the right name", []string{"api"}, []tls.Certificate{foreign.issue("api", client)}, false},
		{"another name", []string{"api"}, []tls.Certificate{trusted.issue("apis", client, "api.local")}, false},
		{"no certificate, where a name is required", []string{"api"}, nil, false},
		{"a certificate of servers", nil, []tls.Certificate{trusted.issue("api", server)}, false},
	} {
		asked := false
		r := run(t, Options{ClientCAFile: file, ClientNames: test.names}, func(w http.ResponseWriter, req *http.Request) {
			asked = true
			fine(w, req)
		})
		status, err := r.ask(r.client(test.certificate...))
		if accepted := err == nil && status == http.StatusOK; accepted != test.accepted || asked != test.accepted {
			t.Errorf("%s: got %d, %v; the webhook was asked: %v", test.reason, status, err, asked)
		}
	}
}

// A connection that is resumed must not outlive the CA or the names either.
func TestNoSessionIsResumed(t *testing.T) {
	trusted := newAuthority(t, "trusted")
	file := filepath.Join(t.TempDir(), "ca.crt")
	trusted.write(file)
	r := run(t, Options{ClientCAFile: file}, fine)
	c := r.client(trusted.issue("api", x509.ExtKeyUsageClientAuth))
	c.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		response, err := c.Post("https://"+r.address+path, "application/json", strings.NewReader(review))
		if err != nil {
			t.Fatal(err)
		}
		if response.TLS.DidResume {
			t.Error("the session was resumed")
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}

func TestANewClientCAIsUsed(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	file := filepath.Join(t.TempDir(), "ca.crt")
	before.write(file)
	r := run(t, Options{ClientCAFile: file}, fine)
	late := r.client(after.issue("api", x509.ExtKeyUsageClientAuth))
	if _, err := r.ask(late); err == nil {
		t.Fatal("the new CA was trusted before it was there")
	}
	after.write(file)
	for deadline := time.Now().Add(time.Minute); ; {
		_, err := r.ask(late)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if _, err := r.ask(r.client(before.issue("api", x509.ExtKeyUsageClientAuth))); err == nil {
		t.Error("the CA that was replaced is still trusted")
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	directory := t.TempDir()
	certificate, key := filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")
	newAuthority(t, "serving").writeServing(certificate, key)
	for _, test := range []struct {
		reason  string
		options Options
	}{
		{"no certificate", Options{CertificateFile: "missing", KeyFile: key}},
		{"no key", Options{CertificateFile: certificate, KeyFile: certificate}},
		{"no client CA", Options{CertificateFile: certificate, KeyFile: key, ClientCAFile: "missing"}},
		{"a client CA without certificates", Options{CertificateFile: certificate, KeyFile: key, ClientCAFile: key}},
		{"no address", Options{BindAddress: "nowhere", CertificateFile: certificate, KeyFile: key}},
	} {
		if test.options.BindAddress == "" {
			test.options.BindAddress = "127.0.0.1:0"
		}
		server := New(test.options)
		if err := server.Start(t.Context()); err == nil {
			t.Errorf("%s: it starts", test.reason)
		}
		if server.StartedChecker()(nil) == nil {
			t.Errorf("%s: it says that it has started", test.reason)
		}
	}
}
