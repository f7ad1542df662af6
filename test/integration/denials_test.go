package integration

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// requests are the requests that a webhook of somebody else denies.
type requests struct {
	operation       admissionregistrationv1.OperationType
	group, resource string
}

var (
	ownGroup         = dispatcherv1alpha1.GroupVersion.Group
	createsOfJobs    = requests{admissionregistrationv1.Create, batchv1.GroupName, "jobs"}
	deletesOfJobs    = requests{admissionregistrationv1.Delete, batchv1.GroupName, "jobs"}
	updatesOfStatus  = requests{admissionregistrationv1.Update, ownGroup, "jobexecutions/status"}
	deletesOfRecords = requests{admissionregistrationv1.Delete, ownGroup, "jobexecutions"}
)

// deny lets a webhook of somebody else deny requests in a namespace, until allow is called. calls counts the requests
// of others than the suite that it has denied.
func deny(
	ctx context.Context, namespace, message string, code int32, denied requests,
) (allow func(), calls func() int32) {
	GinkgoHelper()
	reasons := map[int32]metav1.StatusReason{
		http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusConflict: metav1.StatusReasonConflict,
	}
	var count atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if dryRun := review.Request.DryRun; dryRun == nil || !*dryRun {
			count.Add(1)
		}
		review.Response = &admissionv1.AdmissionResponse{
			UID: review.Request.UID, Result: &metav1.Status{Code: code, Message: message, Reason: reasons[code]},
		}
		review.Request = nil
		_ = json.NewEncoder(w).Encode(review)
	}))
	DeferCleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: server.Certificate().Raw})
	webhook := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	webhook.Name = namespace + "-denies"
	webhook.Webhooks = []admissionregistrationv1.ValidatingWebhook{{
		Name:                    "policy.example.com",
		AdmissionReviewVersions: []string{"v1"},
		SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
		ClientConfig:            admissionregistrationv1.WebhookClientConfig{URL: &server.URL, CABundle: ca},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{denied.operation},
			Rule: admissionregistrationv1.Rule{
				APIGroups: []string{denied.group}, APIVersions: []string{"*"}, Resources: []string{denied.resource},
			},
		}},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
	}}
	try := tryDenied(ctx, namespace, denied)
	Expect(admin.Create(ctx, webhook)).To(Succeed())
	allow = func() { Expect(client.IgnoreNotFound(admin.Delete(context.Background(), webhook))).To(Succeed()) }
	DeferCleanup(allow)
	Eventually(try).WithContext(ctx).Should(MatchError(ContainSubstring(message)), "the API server knows the webhook")
	return allow, count.Load
}

// tryDenied returns a dry run of one of the requests. What it is about must exist before the webhook does.
func tryDenied(ctx context.Context, namespace string, denied requests) func() error {
	GinkgoHelper()
	tried := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tried"}}
	tried.Spec = *job(newTemplate(namespace))
	tried.Spec.Suspend = new(true)
	switch denied {
	case createsOfJobs:
		return func() error { return admin.Create(ctx, tried.DeepCopy(), client.DryRunAll) }
	case deletesOfJobs:
		Expect(admin.Create(ctx, tried)).To(Succeed())
		return func() error { return admin.Delete(ctx, tried.DeepCopy(), client.DryRunAll) }
	}
	record := newExecution(namespace, "tried", "")
	record.Spec.Canceled, record.Spec.TTLSecondsAfterFinished = true, new(int32(600))
	Expect(admin.Create(ctx, record)).To(Succeed())
	eventuallyState(ctx, record, failed(dispatcherv1alpha1.ReasonCanceled))
	if denied == deletesOfRecords {
		return func() error { return admin.Delete(ctx, record.DeepCopy(), client.DryRunAll) }
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"jobName":"tried"}}`))
	return func() error { return admin.Status().Patch(ctx, record.DeepCopy(), patch, client.DryRunAll) }
}
