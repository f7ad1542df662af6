package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/rest"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// direct calls a handler without a network, so that it works in synctest's time.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	d.handler.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// directAccess returns an Access that asks f without a network.
func directAccess(t *testing.T, f *reviewer, accepted Credentials) *Access {
	t.Helper()
	config := &rest.Config{Host: "http://api.test", QPS: -1}
	access, err := NewDelegated(config, &http.Client{Transport: direct{f}}, accepted)
	if err != nil {
		t.Fatal(err)
	}
	return access
}

// What the API server takes back is gone after a short time, and what it allows is there after a shorter one.
func TestAnswersAreKeptForAShortTime(t *testing.T) {
	for _, test := range []struct {
		reason string
		before bool
		change func(f *reviewer, may *atomic.Bool)
		kept   time.Duration
		want   problem.Reason // after the change; empty if the caller may
	}{
		{"the right is taken away", true, func(_ *reviewer, may *atomic.Bool) { may.Store(false) },
			10 * time.Second, problem.Forbidden},
		{"the right is given", false, func(_ *reviewer, may *atomic.Bool) { may.Store(true) }, 2 * time.Second, ""},
		{"the token is revoked", true, func(f *reviewer, _ *atomic.Bool) { f.revoked.Store(true) },
			10 * time.Second, problem.Unauthorized},
	} {
		synctest.Test(t, func(t *testing.T) {
			var may atomic.Bool
			may.Store(test.before)
			f := &reviewer{allow: func(string, authorizationv1.ResourceAttributes) bool { return may.Load() }}
			access := directAccess(t, f, Credentials{})
			ask := func() error {
				return authorize(access, call(http.Header{"Authorization": {"Bearer good"}}), executeEcho)
			}
			before := ask()
			test.change(f, &may)
			time.Sleep(test.kept - time.Millisecond) // in synctest's time
			if err := ask(); (err == nil) != (before == nil) {
				t.Errorf("%s: got %v early, and %v before", test.reason, err, before)
			}
			time.Sleep(2 * time.Millisecond)
			err := ask()
			if (err == nil) != (test.want == "") || err != nil && !problem.Is(err, test.want) {
				t.Errorf("%s: got %v, want %q", test.reason, err, test.want)
			}
		})
	}
}

// A client certificate says who calls, if a CA that is accepted has signed it.
func TestClientCertificates(t *testing.T) {
	ca, certificate := clientCertificate(t, "bob")
	other, _ := clientCertificate(t, "eve")
	for reason, test := range map[string]struct {
		accepted []byte
		want     string // empty if the certificate is refused
	}{
		"no CA is accepted":      {nil, "system:anonymous"},
		"its CA is accepted":     {ca, "bob"},
		"another CA is accepted": {other, ""},
	} {
		accepted := Credentials{}
		if test.accepted != nil {
			provider, err := dynamiccertificates.NewStaticCAContent("ca", test.accepted)
			if err != nil {
				t.Fatal(err)
			}
			accepted.ClientCAs = provider
		}
		r := call(http.Header{})
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
		caller, err := directAccess(t, &reviewer{}, accepted).Caller(r)
		if (err == nil) != (test.want != "") || err == nil && caller.Name() != test.want {
			t.Errorf("%s: got %+v, %v, want %q", reason, caller, err, test.want)
		}
	}
}

// clientCertificate returns a CA, in PEM, and the client certificate of a user that it has signed.
func clientCertificate(t *testing.T, name string) (ca []byte, certificate *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(template, parent *x509.Certificate) *x509.Certificate {
		template.SerialNumber = big.NewInt(1)
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "ca of " + name}, IsCA: true, BasicConstraintsValid: true}
	root := sign(template, template)
	certificate = sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, root)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), certificate
}
