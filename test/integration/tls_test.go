package integration

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"

	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("The HTTP API over TLS", func() {
	var (
		namespace, directory string
		trusted              *x509.CertPool
	)

	// replaceCertificate writes a new one of an authority of its own, as cert-manager does it.
	replaceCertificate := func() {
		GinkgoHelper()
		certificate, key, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, []string{"localhost"})
		Expect(err).NotTo(HaveOccurred())
		for name, content := range map[string][]byte{"tls.key": key, "tls.crt": certificate} {
			Expect(os.WriteFile(filepath.Join(directory, name), content, 0o600)).To(Succeed())
		}
		trusted = x509.NewCertPool()
		Expect(trusted.AppendCertsFromPEM(certificate)).To(BeTrue())
	}

	// newClient trusts the certificate of now, and shows its user's, if any.
	newClient := func(user *rest.Config) *http.Client {
		GinkgoHelper()
		config := &tls.Config{RootCAs: trusted, NextProtos: []string{"h2", "http/1.1"}}
		if user != nil {
			certificate, err := tls.X509KeyPair(user.CertData, user.KeyData)
			Expect(err).NotTo(HaveOccurred())
			// Sent whatever authorities the server names.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate,
				error) {
				return &certificate, nil
			}
		}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		DeferCleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: &contractTransport{contract: described, base: transport}}
	}

	list := func(ctx SpecContext, caller *http.Client) (user.Answer, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, manager.URL+"/executions/"+namespace, nil)
		if err != nil {
			return user.Answer{}, err
		}
		response, err := caller.Do(request)
		if err != nil {
			return user.Answer{}, err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		Expect(response.Proto).To(Equal("HTTP/1.1"))
		return user.Answer{Code: response.StatusCode, Header: response.Header, Body: string(body)}, err
	}

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		directory = GinkgoT().TempDir()
		replaceCertificate()
		restartAfterwards()
		manager.Kill()
		plain := manager.URL
		DeferCleanup(func() { manager.URL = plain })
		manager.URL = strings.Replace(plain, "http:", "https:", 1)
		Expect(manager.Start(ctx, "--web-server-cert-path="+directory, "--client-ca-file="+plane.ClientCAFile())).
			To(Succeed())
	})

	It("knows callers by their certificates", func(ctx SpecContext) {
		carol, err := plane.User("carol")
		Expect(err).NotTo(HaveOccurred())
		answered, err := list(ctx, newClient(carol))
		Expect(err).NotTo(HaveOccurred())
		forbidden(answered)
		Expect(answered.Problem().Detail).To(ContainSubstring(`user "carol" cannot list`))
		bind(ctx, namespace, "carol", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: runnerRole},
			rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "carol"})
		Eventually(func() (int, error) {
			answered, err := list(ctx, newClient(carol))
			return answered.Code, err
		}).WithContext(ctx).Should(Equal(http.StatusOK))

		By("refusing a certificate that somebody else signed")
		certificate, key, err := certutil.GenerateSelfSignedCertKey("carol", nil, nil)
		Expect(err).NotTo(HaveOccurred())
		answered, err = list(ctx, newClient(&rest.Config{TLSClientConfig: rest.TLSClientConfig{CertData: certificate,
			KeyData: key}}))
		Expect(err).NotTo(HaveOccurred())
		refusedWith(http.StatusUnauthorized, challengeInvalid)(answered)

		By("taking callers without one for what they are")
		answered, err = list(ctx, newClient(nil))
		Expect(err).NotTo(HaveOccurred())
		unauthorized(answered)
	})

	It("takes up a certificate that is replaced, and goes on with the connections that it has", func(ctx SpecContext) {
		before := newClient(nil)
		_, err := list(ctx, before)
		Expect(err).NotTo(HaveOccurred())
		replaceCertificate()
		Eventually(func() error {
			_, err := list(ctx, newClient(nil))
			return err
		}).WithContext(ctx).Should(Succeed())
		_, err = list(ctx, before)
		Expect(err).NotTo(HaveOccurred())
	})

	It("answers nothing in clear text", func(ctx SpecContext) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet,
			strings.Replace(manager.URL, "https:", "http:", 1)+"/openapi.yaml", nil)
		Expect(err).NotTo(HaveOccurred())
		response, err := http.DefaultClient.Do(request)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = response.Body.Close() }()
		Expect(response.StatusCode).To(Equal(http.StatusBadRequest))
	})
})
