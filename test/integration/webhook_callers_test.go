package integration

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"dispatcher.ivan.vc/test/controlplane"
)

// strangersAddress is where strangers come from. The API server comes from 127.0.0.1.
const strangersAddress = "127.0.0.2"

const templateWebhook = "/validate-dispatcher-ivan-vc-v1alpha1-jobtemplate"

// stranger is a client of the webhooks that is not the API server.
func stranger(certificate ...tls.Certificate) *http.Client {
	return strangerAt(strangersAddress, certificate...)
}

func strangerAt(address string, certificate ...tls.Certificate) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{
		DialContext: dialer.DialContext,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // It does not care whom it asks.
			Certificates:       certificate,
		},
	}
	DeferCleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// askWebhook posts a review and returns the status of the answer and its body.
func askWebhook(ctx context.Context, client *http.Client, body string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"https://"+manager.WebhookAddress()+templateWebhook, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

// forgedReview asks to admit object in a namespace, as an administrator.
func forgedReview(namespace, object string) string {
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE",
		"namespace":%q,"name":"forged","kind":{"group":"dispatcher.ivan.vc","version":"v1alpha1","kind":"JobTemplate"},
		"resource":{"group":"dispatcher.ivan.vc","version":"v1alpha1","resource":"jobtemplates"},
		"userInfo":{"username":"forged","groups":["system:masters"]},"object":%s}}`, namespace, object)
}

var _ = Describe("The webhook port", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	// admitted has the API server ask all webhooks.
	admitted := func(ctx SpecContext, name string) {
		GinkgoHelper()
		template := newTemplate(namespace)
		template.Name = name
		Expect(admin.Create(ctx, template)).To(Succeed())
		execution := newExecution(namespace, name, "hello")
		execution.Spec.JobTemplateName = name
		Expect(admin.Create(ctx, execution)).To(Succeed())
		Expect(admin.Delete(ctx, template)).To(Succeed())
	}

	It("answers only the API server where that shows its certificate", func(ctx SpecContext) {
		restartAfterwards()
		manager.Kill()
		Expect(manager.Start(ctx, "--webhook-client-ca-file="+plane.WebhookClientCAFile(),
			"--webhook-client-names="+controlplane.WebhookClientName)).To(Succeed())
		admitted(ctx, "asked-by-the-api-server")

		review := forgedReview("kube-system", "{}")
		_, _, err := askWebhook(ctx, stranger(), review)
		Expect(err).To(HaveOccurred(), "without a certificate")
		user, err := plane.User("system:masters-of-nothing", "system:masters")
		Expect(err).NotTo(HaveOccurred())
		_, _, err = askWebhook(ctx, stranger(certificateOf(user)), review)
		Expect(err).To(HaveOccurred(), "with the certificate of an administrator of the cluster")

		By("refusing the API server too, where it has another name")
		manager.Kill()
		Expect(manager.Start(ctx, "--webhook-client-ca-file="+plane.WebhookClientCAFile(),
			"--webhook-client-names=other")).To(Succeed())
		Expect(admin.Create(ctx, newTemplate(namespace))).NotTo(Succeed())
	})

	It("answers the API server while strangers send slow templates", func(ctx SpecContext) {
		object, err := json.Marshal(newTemplate(namespace))
		Expect(err).NotTo(HaveOccurred())
		slow := strings.Replace(string(object), "alpine:latest",
			`{{ range until 1000 }}{{ range until 150 }}{{ end }}{{ end }}alpine`, 1)
		strangers, stop := context.WithCancel(ctx)
		var done sync.WaitGroup
		for i := range 32 {
			client := stranger()
			done.Go(func() {
				for strangers.Err() == nil {
					_, _, _ = askWebhook(strangers, client, forgedReview(fmt.Sprintf("%s-%d", namespace, i), slow))
				}
			})
		}
		DeferCleanup(done.Wait)
		DeferCleanup(stop)
		Eventually(func() (float64, error) {
			return manager.Metric(ctx, "controller_runtime_webhook_requests_in_flight", nil)
		}).WithContext(ctx).Should(BeNumerically(">=", 8))
		for i := range 3 {
			admitted(ctx, fmt.Sprintf("beside-strangers-%d", i))
		}
	})

	It("answers the API server while strangers hold connections", func(ctx SpecContext) {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(strangersAddress)}}
		for range 1200 {
			connection, err := dialer.DialContext(ctx, "tcp", manager.WebhookAddress())
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(connection.Close)
		}
		plane.Webhooks.Cut() // The API server needs new ones, too. A call may still meet one that was cut.
		Eventually(func() error { return admin.Create(ctx, newTemplate(namespace), client.DryRunAll) }).
			WithContext(ctx).Should(Succeed())
		admitted(ctx, "beside-connections")
	})

	It("refuses what takes far more memory than it sends, and goes on", func(ctx SpecContext) {
		pid := manager.PID()
		object := `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[` + strings.Repeat("{},",
			2<<20) + `{}]}}}}}}`
		var done sync.WaitGroup
		for range 16 {
			done.Go(func() {
				defer GinkgoRecover()
				status, answer, err := askWebhook(ctx, stranger(), forgedReview(namespace, object))
				if err != nil || status == http.StatusTooManyRequests {
					return // It had to wait for too long.
				}
				Expect(status).To(Equal(http.StatusOK))
				Expect(answer).To(And(ContainSubstring(`"code":422`), ContainSubstring(`"field":"spec.jobTemplate"`)))
			})
		}
		done.Wait()
		Expect(manager.Running()).To(BeTrue())
		Expect(manager.PID()).To(Equal(pid))
		Expect(manager.Metric(ctx, "process_resident_memory_bytes", nil)).To(BeNumerically("<", 400<<20))
		admitted(ctx, "after-large-ones")
	})

	It("refuses YAML, in which a container can be ten bytes, and goes on", func(ctx SpecContext) {
		pid := manager.PID()
		review := "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n  uid: '1'\n  operation: CREATE\n" +
			"  namespace: " + namespace + "\n  name: forged\n" +
			"  kind: {group: dispatcher.ivan.vc, version: v1alpha1, kind: JobTemplate}\n" +
			"  resource: {group: dispatcher.ivan.vc, version: v1alpha1, resource: jobtemplates}\n" +
			"  object:\n   spec:\n    jobTemplate:\n     spec:\n      template:\n       spec:\n        containers:\n" +
			strings.Repeat("        -\n", 690_000)
		for range 2 {
			status, _, err := askWebhook(ctx, stranger(), review)
			Expect(err).NotTo(HaveOccurred())
			Expect(status).To(Equal(http.StatusBadRequest))
		}
		Expect(manager.Running()).To(BeTrue())
		Expect(manager.PID()).To(Equal(pid))
		Expect(manager.Metric(ctx, "process_resident_memory_bytes", nil)).To(BeNumerically("<", 400<<20))
		admitted(ctx, "after-yaml")
	})
})

// certificateOf is the client certificate of a user.
func certificateOf(user *rest.Config) tls.Certificate {
	GinkgoHelper()
	certificate, err := tls.X509KeyPair(user.CertData, user.KeyData)
	Expect(err).NotTo(HaveOccurred())
	return certificate
}
