package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The names of the Certificates and of their Secrets.
const (
	servingCertificate = "dispatcher-serving-certificate"
	caCertificate      = "dispatcher-ca"
)

var _ = Describe("cert-manager", func() {
	It("issues the webhooks' certificate, and writes its CA where the API server looks for it", func(ctx SpecContext) {
		ready := kubectl.Run(ctx, "-n", systemNamespace, "wait", "--for=condition=Ready", "--timeout=1m", "certificate", "--all")
		Expect(ready.Err).NotTo(HaveOccurred(), ready.Stderr)
		ca := secret(ctx, servingCertificate).Data["ca.crt"]
		Expect(ca).NotTo(BeEmpty())
		bundles := caBundles(ctx)
		Expect(len(bundles)).To(BeNumerically(">=", 3), "webhooks")
		for webhook, bundle := range bundles {
			Expect(string(bundle)).To(Equal(string(ca)), webhook)
		}
		Eventually(publishedCA).WithArguments(ctx).WithContext(ctx).Should(Equal(string(ca)), "the CA for callers")
	})

	It("renews the certificate while PUTs flow, and none of them fails", func(ctx SpecContext) {
		load := startLoad(ctx, newNamespace(ctx))
		before := secret(ctx, servingCertificate)
		Expect(served()).To(Equal(before.Data[corev1.TLSCertKey]))
		after := renewed(ctx, servingCertificate)
		Expect(after.Data["ca.crt"]).To(Equal(before.Data["ca.crt"]), "the CA stays")
		eventuallyServed(ctx, after)
		load.eventuallyMore(ctx)
		load.finish(ctx)
		Expect(load.accepted()).To(BeEquivalentTo(len(load.attempts)))
	})

	// Nobody orders when the API server hears of the new CA, and when the replicas show what it has issued. The API server
	// keeps its connections to the webhooks, so a PUT fails only where a new one is opened at the wrong moment: whether it
	// could is asked of the certificates.
	It("renews the CA, and the certificate after it, while PUTs flow, and none of them fails", func(ctx SpecContext) {
		load := startLoad(ctx, newNamespace(ctx))
		before := secret(ctx, servingCertificate)
		ca := renewed(ctx, caCertificate)
		after := renewed(ctx, servingCertificate)
		Expect(after.Data["ca.crt"]).To(Equal(ca.Data[corev1.TLSCertKey]), "it is from the new CA")
		Expect(verify(before, ca.Data[corev1.TLSCertKey])).To(Succeed(), "who trusts the new CA takes the old certificate")
		Expect(verify(after, before.Data["ca.crt"])).To(Succeed(), "who trusts the old CA takes the new certificate")
		eventuallyServed(ctx, after)
		Eventually(caBundles).WithArguments(ctx).WithContext(ctx).Should(HaveEach(And(
			ContainSubstring(string(before.Data["ca.crt"])), ContainSubstring(string(after.Data["ca.crt"])))), "cert-manager adds the new CA to the old one")
		Eventually(publishedCA).WithArguments(ctx).WithContext(ctx).Should(Equal(string(after.Data["ca.crt"])), "the CA for callers")
		load.eventuallyMore(ctx)
		load.finish(ctx)
		Expect(load.accepted()).To(BeEquivalentTo(len(load.attempts)))
	})
})

// publishedCA is the CA certificate that callers are told to use, as the manager publishes it.
func publishedCA(ctx context.Context) string {
	GinkgoHelper()
	configMap := &corev1.ConfigMap{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: "dispatcher-ca"}, configMap)).To(Succeed())
	return configMap.Data["ca.crt"]
}

func secret(ctx context.Context, name string) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: name}, secret)).To(Succeed())
	return secret
}

// renewed renews a Certificate and returns its Secret with what was issued.
func renewed(ctx context.Context, name string) *corev1.Secret {
	GinkgoHelper()
	before := secret(ctx, name).Data[corev1.TLSCertKey]
	renew(ctx, name)
	Eventually(secret).WithArguments(ctx, name).WithContext(ctx).Should(
		HaveField("Data", HaveKeyWithValue(corev1.TLSCertKey, Not(Equal(before)))), "a new certificate")
	return secret(ctx, name)
}

// verify says whether whoever trusts a CA trusts the certificate of a Secret.
func verify(of *corev1.Secret, ca []byte) error {
	GinkgoHelper()
	pool := x509.NewCertPool()
	Expect(pool.AppendCertsFromPEM(ca)).To(BeTrue())
	pair, err := tls.X509KeyPair(of.Data[corev1.TLSCertKey], of.Data[corev1.TLSPrivateKeyKey])
	Expect(err).NotTo(HaveOccurred())
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: pool})
	return err
}

// eventuallyServed waits until both replicas show the certificate of a Secret. The kubelet writes the new files into
// the pods, and the replicas, of which any may answer, read them again.
func eventuallyServed(ctx context.Context, of *corev1.Secret) {
	GinkgoHelper()
	inARow := 0
	Eventually(func() int {
		inARow++
		if certificate, err := served(); err != nil || !bytes.Equal(certificate, of.Data[corev1.TLSCertKey]) {
			inARow = 0
		}
		return inARow
	}).WithContext(ctx).Should(BeNumerically(">=", 20), "both replicas show the new certificate")
}

// caBundles are the certificates that the API server trusts, by webhook.
func caBundles(ctx context.Context) map[string][]byte {
	GinkgoHelper()
	bundles := map[string][]byte{}
	mutating := &admissionregistrationv1.MutatingWebhookConfigurationList{}
	Expect(admin.List(ctx, mutating)).To(Succeed())
	for _, configuration := range mutating.Items {
		for _, webhook := range configuration.Webhooks {
			bundles["mutating "+webhook.Name] = webhook.ClientConfig.CABundle
		}
	}
	validating := &admissionregistrationv1.ValidatingWebhookConfigurationList{}
	Expect(admin.List(ctx, validating)).To(Succeed())
	for _, configuration := range validating.Items {
		for _, webhook := range configuration.Webhooks {
			bundles["validating "+webhook.Name] = webhook.ClientConfig.CABundle
		}
	}
	return bundles
}

// renew asks cert-manager for a new certificate, as `cmctl renew` does.
func renew(ctx context.Context, name string) {
	GinkgoHelper()
	certificate := &unstructured.Unstructured{}
	certificate.SetGroupVersionKind(schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"})
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: name}, certificate)).To(Succeed())
	conditions, _, err := unstructured.NestedSlice(certificate.Object, "status", "conditions")
	Expect(err).NotTo(HaveOccurred())
	Expect(unstructured.SetNestedSlice(certificate.Object, append(conditions, map[string]any{
		"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "renewed by a test",
		"lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339), "observedGeneration": certificate.GetGeneration(),
	}), "status", "conditions")).To(Succeed())
	Expect(admin.Status().Update(ctx, certificate)).To(Succeed())
}

// served is the certificate that one of the replicas shows, in PEM. Webhooks and metrics share it, and only the metrics
// can be reached from this machine.
func served() ([]byte, error) {
	connection, err := tls.Dial("tcp", "127.0.0.1:"+os.Getenv("METRICS_PORT"), metricsTLS())
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	leaf := connection.ConnectionState().PeerCertificates[0]
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), nil
}

// metricsTLS trusts what the CA has issued for the Service of the metrics.
func metricsTLS() *tls.Config {
	GinkgoHelper()
	pool := x509.NewCertPool()
	for _, bundle := range caBundles(context.Background()) {
		Expect(pool.AppendCertsFromPEM(bundle)).To(BeTrue())
	}
	return &tls.Config{RootCAs: pool, ServerName: "dispatcher-metrics." + systemNamespace + ".svc"}
}
