package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// BenchmarkAdmission answers the requests that an execution makes, as they come from the API server: what kubectl
// creates is defaulted and validated, what the HTTP API creates is validated only.
func BenchmarkAdmission(b *testing.B) {
	scheme := runtime.NewScheme()
	if err := dispatcherv1alpha1.AddToScheme(scheme); err != nil {
		b.Fatal(err)
	}
	templates := newLookup(&stubReader{template: jobTemplate("a", "{{ .Payload }}")}, nil)
	for name, hook := range map[string]*admission.Webhook{
		"default": admission.WithDefaulter(scheme, &jobExecutionDefaulter{manager: knownAccount(), templates: templates}),
		"validate": admission.WithValidator(scheme, &jobExecutionValidator{
			manager: knownAccount(), templates: templates, renderer: render.NewDirect(8),
		}),
	} {
		body := reviewOf(b, defaultedExecution("e", "a", "my test payload"))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
				request.Header.Set("Content-Type", "application/json")
				recorder := httptest.NewRecorder()
				hook.ServeHTTP(recorder, request)
				if !bytes.Contains(recorder.Body.Bytes(), []byte(`"allowed":true`)) {
					b.Fatal(recorder.Body)
				}
			}
		})
	}
}

func reviewOf(b *testing.B, execution *dispatcherv1alpha1.JobExecution) []byte {
	b.Helper()
	execution.APIVersion, execution.Kind = dispatcherv1alpha1.GroupVersion.String(), "JobExecution"
	object, err := json.Marshal(execution)
	if err != nil {
		b.Fatal(err)
	}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Operation: admissionv1.Create, Namespace: execution.Namespace, Name: execution.Name,
			Kind:   metav1.GroupVersionKind{Group: "dispatcher.ivan.vc", Version: "v1alpha1", Kind: "JobExecution"},
			Object: runtime.RawExtension{Raw: object},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	return body
}
