// Command pki writes new certificates and kubeconfigs for a local cluster. They are only for a test cluster on one
// machine: the CA's key is stored with them, and nothing is rotated.
//
//	pki -dir DIR -admin FILE -server https://127.0.0.1:16443
//
// The cluster's processes see DIR as /var/lib/kubernetes. FILE is the kubeconfig for the user of the machine.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// inside is the API server's address for the cluster's processes.
const inside = "https://127.0.0.1:6443"

const validity = 365 * 24 * time.Hour

func main() {
	dir := flag.String("dir", "", "folder for certificates, keys and kubeconfigs of the cluster's processes")
	admin := flag.String("admin", "", "kubeconfig file for use from outside")
	server := flag.String("server", "", "the API server's URL from outside")
	node := flag.String("node", "node", "name of the node")
	flag.Parse()
	if err := write(*dir, *admin, *server, *node); err != nil {
		fmt.Fprintln(os.Stderr, "pki:", err)
		os.Exit(1)
	}
}

func write(dir, admin, server, node string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	files := map[string][]byte{"ca.crt": ca.certPEM}
	if files["ca.key"], err = keyPEM(ca.key); err != nil {
		return err
	}
	if files["service-account.key"], files["service-account.pub"], err = keyPair(); err != nil {
		return err
	}
	for name, subject := range map[string]x509.Certificate{
		"kube-apiserver": {
			Subject: pkix.Name{CommonName: "kube-apiserver"},
			DNSNames: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc.cluster.local"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 200, 0, 1), net.IPv4(10, 96, 0, 1)},
		},
		"kubelet-client": client("kube-apiserver-kubelet-client", "system:masters"),
	} {
		if files[name+".crt"], files[name+".key"], err = ca.issue(subject); err != nil {
			return err
		}
	}
	for name, subject := range map[string]x509.Certificate{
		"admin":                   client("admin", "system:masters"),
		"kube-controller-manager": client("system:kube-controller-manager", ""),
		"kube-scheduler":          client("system:kube-scheduler", ""),
		"kube-proxy":              client("system:kube-proxy", ""),
		"kubelet":                 client("system:node:"+node, "system:nodes"),
		"coredns":                 client("coredns", ""),
	} {
		if files[name+".kubeconfig"], err = ca.kubeconfig(subject, inside); err != nil {
			return err
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	outside, err := ca.kubeconfig(client("admin", "system:masters"), server)
	if err != nil {
		return err
	}
	return os.WriteFile(admin, outside, 0o600)
}

// client describes a client certificate. For Kubernetes, the common name is the user and the organization is the group.
func client(user, group string) x509.Certificate {
	name := pkix.Name{CommonName: user}
	if group != "" {
		name.Organization = []string{group}
	}
	return x509.Certificate{Subject: name}
}

// authority is the cluster's certificate authority.
type authority struct {
	cert    *x509.Certificate
	certPEM []byte
	key     *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &authority{key: key, cert: &x509.Certificate{
		Subject:               pkix.Name{CommonName: "local-cluster-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}}
	der, err := ca.sign(ca.cert, key.Public())
	if err != nil {
		return nil, err
	}
	ca.certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	ca.cert, err = x509.ParseCertificate(der)
	return ca, err
}

// issue returns a new key and a certificate for both servers and clients.
func (ca *authority) issue(subject x509.Certificate) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	subject.KeyUsage = x509.KeyUsageDigitalSignature
	subject.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := ca.sign(&subject, private.Public())
	if err != nil {
		return nil, nil, err
	}
	key, err = keyPEM(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key, err
}

func (ca *authority) sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = template.NotBefore.Add(validity)
	return x509.CreateCertificate(rand.Reader, template, ca.cert, public, ca.key)
}

func (ca *authority) kubeconfig(subject x509.Certificate, server string) ([]byte, error) {
	cert, key, err := ca.issue(subject)
	if err != nil {
		return nil, err
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: local, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: local, context: {cluster: local, user: local}}]
current-context: local
`, server, encode(ca.certPEM), encode(cert), encode(key)), nil
}

// keyPair returns a new key that signs ServiceAccount tokens, and its public key.
func keyPair() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, err
	}
	private, err = keyPEM(key)
	return private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
