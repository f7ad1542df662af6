package integration

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	certutil "k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("An execution whose Job is refused", Label("walls"), func() {
	It("with 404 by somebody's webhook says so, and runs when it is not any more", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		allow := denyJobs(ctx, namespace, http.StatusNotFound, "the registry has no such tenant")
		execution := createExecution(ctx, namespace, "denied", "")
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
			g.Expect(state(execution)).To(HavePrefix("Waiting=True"))
			g.Expect(message(execution)).To(ContainSubstring("the registry has no such tenant"))
		}).WithContext(ctx).Should(Succeed())
		allow()
		eventuallyState(ctx, execution, running)
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
	})

	It("since many are counted at once is taken for one to be sent again, by its caller", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		conflict := apierrors.NewConflict(schema.GroupResource{Resource: "resourcequotas"}, "objects", http.ErrAbortHandler)
		remove := manager.Proxy.Inject(creates("jobexecutions", namespace), controlplane.Answer(conflict))
		DeferCleanup(remove)
		answered := put(ctx, namespace+"/echo", "")
		Expect(answered.Code).To(Equal(http.StatusServiceUnavailable), answered.Body)
		Expect(answered.Problem().Reason).To(Equal("Unavailable"))
		Expect(answered.Header.Get("Retry-After")).NotTo(BeEmpty())
		remove()
		put(ctx, namespace+"/echo", "").Execution()
	})
})

var _ = Describe("A leader that loses its Lease", Label("walls"), func() {
	It("since it cannot renew it goes on serving, while the other leads", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		leader, other := eventuallyLeader(ctx, startReplicas(ctx))
		pid := leader.PID()
		leases := func(r controlplane.Request) bool { return r.Resource == "leases" }
		restore := leader.Proxy.Inject(leases, controlplane.Unreachable())
		DeferCleanup(restore)
		Eventually(func() bool { return leads(ctx, other) }).WithContext(ctx).Should(BeTrue())
		execution := putTo(ctx, leader, namespace+"/echo", "").Execution()
		eventuallyState(ctx, execution, running)
		Expect(leader.Proxy.Requests(creates("jobs", namespace))).To(BeEmpty())

		By("ending the other, when the first can renew again")
		restore()
		other.Kill()
		freeLease(ctx)
		second := putTo(ctx, leader, namespace+"/echo", "").Execution()
		eventuallyState(ctx, second, running)
		Expect(leader.Running()).To(BeTrue())
		Expect(leader.PID()).To(Equal(pid))
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(2))
	})
})

// denyJobs is a webhook of somebody else that denies every Job of a namespace, until the returned function is called.
func denyJobs(ctx context.Context, namespace string, code int32, message string) (allow func()) {
	GinkgoHelper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		denial := &metav1.Status{Code: code, Message: message, Reason: metav1.StatusReasonNotFound}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: denial}
		review.Request = nil
		_ = json.NewEncoder(w).Encode(review)
	}))
	DeferCleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: server.Certificate().Raw})
	webhook := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	webhook.Name = namespace + "-denies"
	webhook.Webhooks = []admissionregistrationv1.ValidatingWebhook{{
		Name:                    "jobs.example.com",
		AdmissionReviewVersions: []string{"v1"},
		SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
		ClientConfig:            admissionregistrationv1.WebhookClientConfig{URL: &server.URL, CABundle: ca},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
			Rule: admissionregistrationv1.Rule{
				APIGroups: []string{batchv1.GroupName}, APIVersions: []string{"v1"}, Resources: []string{"jobs"},
			},
		}},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
	}}
	Expect(admin.Create(ctx, webhook)).To(Succeed())
	allow = func() { Expect(client.IgnoreNotFound(admin.Delete(context.Background(), webhook))).To(Succeed()) }
	DeferCleanup(allow)
	tried := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tried"}}
	tried.Spec = *job(newTemplate(namespace))
	Eventually(func() error { return admin.Create(ctx, tried.DeepCopy(), client.DryRunAll) }).WithContext(ctx).
		Should(MatchError(ContainSubstring(message)), "the API server knows the webhook")
	return allow
}
