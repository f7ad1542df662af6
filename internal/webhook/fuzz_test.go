package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/test/cputime"
)

// FuzzAdmission sends any object, in any kind of request, to each webhook as the API server would. Nothing panics,
// every answer is one that the API server understands, a refusal is never a fault of ours, and none takes longer than
// the API server waits.
func FuzzAdmission(f *testing.F) {
	for _, path := range seedTemplates(f) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		object, err := yaml.YAMLToJSON(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(0), "CREATE", "default", object, []byte{}, "{{ .Payload }}")
		f.Add(uint8(0), "UPDATE", "default", object, object, "{{ .Payload }}")
	}
	for _, payload := range []string{"", "text", `{"a":["$(B)",null]}`, "\x00"} {
		object, err := json.Marshal(defaultedExecution("e", "t", payload))
		if err != nil {
			f.Fatal(err)
		}
		for hook := range uint8(3) {
			f.Add(hook, "CREATE", "default", object, []byte{}, "{{ (fromJson .Payload).a }}")
			f.Add(hook, "DELETE", "", []byte{}, object, "{{ range until 100 }}{{ $.Payload }}{{ end }}")
		}
	}
	f.Fuzz(func(t *testing.T, hook uint8, operation, namespace string, object, oldObject []byte, template string) {
		hooks := fuzzedHooks(t, jobTemplate("t", template))
		request := admissionv1.AdmissionRequest{UID: "1", Operation: admissionv1.Operation(operation), Namespace: namespace}
		for raw, into := range map[*[]byte]*runtime.RawExtension{&object: &request.Object, &oldObject: &request.OldObject} {
			if json.Valid(*raw) { // The API server sends nothing else.
				into.Raw = *raw
			}
		}
		var response *admissionv1.AdmissionResponse
		took := cputime.Of(func() { response = ask(t, hooks[int(hook)%len(hooks)], &request) })
		if took > admissionTimeout {
			t.Errorf("took %v of CPU time", took)
		}
		checkResponse(t, response)
	})
}

// seedTemplates returns the files of the renderer's golden templates.
func seedTemplates(f *testing.F) []string {
	paths, err := filepath.Glob("../render/testdata/*/template.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatalf("found no templates: %v", err)
	}
	return paths
}

// fuzzedHooks are the webhooks over an API server that has one template and finds every Job valid.
func fuzzedHooks(t *testing.T, template *dispatcherv1alpha1.JobTemplate) []http.Handler {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, dispatcherv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	reader := &stubReader{template: template}
	lookup := newLookup(reader, reader)
	var handlers []http.Handler
	for _, hook := range []*admission.Webhook{
		admission.WithValidator(scheme, newJobTemplateValidator(&stubAccess{}, &stubTrial{})),
		admission.WithValidator(scheme, &jobExecutionValidator{
			manager: knownAccount(), templates: lookup, renderer: render.NewDirect(1),
		}),
		admission.WithDefaulter(scheme, &jobExecutionDefaulter{manager: knownAccount(), templates: lookup}),
	} {
		handler, err := admission.StandaloneWebhook(hook.WithRecoverPanic(false), admission.StandaloneOptions{})
		if err != nil {
			t.Fatal(err)
		}
		handlers = append(handlers, handler)
	}
	return handlers
}

func ask(t *testing.T, hook http.Handler, request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	body, err := json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Request:  request,
	})
	if err != nil {
		t.Fatal(err)
	}
	asked := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	asked.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	hook.ServeHTTP(answer, asked)
	review := &admissionv1.AdmissionReview{}
	if err := json.Unmarshal(answer.Body.Bytes(), review); err != nil || answer.Code != http.StatusOK || review.Response == nil {
		t.Fatalf("answered %d (%v): %.500s", answer.Code, err, answer.Body)
	}
	return review.Response
}

func checkResponse(t *testing.T, response *admissionv1.AdmissionResponse) {
	t.Helper()
	var patch []map[string]any
	if len(response.Patch) > 0 && json.Unmarshal(response.Patch, &patch) != nil {
		t.Errorf("the patch is none: %.500s", response.Patch)
	}
	if response.Allowed {
		return
	}
	if result := response.Result; result == nil || result.Code < 400 || result.Code >= 500 || len(patch) > 0 {
		t.Errorf("refused with %+v and %d patches", result, len(patch))
	}
}
