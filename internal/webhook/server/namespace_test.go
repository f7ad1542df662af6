package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// reviewOf is a review as the API server writes it.
func reviewOf(t *testing.T, namespace, object string) string {
	t.Helper()
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:       "1",
			Kind:      metav1.GroupVersionKind{Group: "g", Version: "v1", Kind: strings.Repeat("K", 63)},
			Name:      strings.Repeat("n", 253),
			Namespace: namespace,
			Object:    runtime.RawExtension{Raw: []byte(object)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestNamespaceOf(t *testing.T) {
	for _, test := range []struct{ reason, body, want string }{
		{"as the API server writes it", reviewOf(t, "a", `{"metadata":{"namespace":"b"}}`), "a"},
		{"no namespace", reviewOf(t, "", `{"metadata":{"namespace":"b"}}`), ""},
		{"not that of the review", `{"namespace":"b","request":{"uid":"1"}}`, ""},
		{"other values before it", `{"a":[{"request":{"namespace":"b"}}],"request":{"kind":{"namespace":"b"},"namespace":"a"}}`,
			"a"},
		{"after a long object", `{"request":{"object":"` + strings.Repeat("x", maxPreamble) + `","namespace":"a"}}`, ""},
		{"no text", `{"request":{"namespace":{}}}`, ""},
		{"no object", `{"request":["namespace","a"]}`, ""},
		{"nothing", `{}`, ""},
	} {
		if got := namespaceOf([]byte(test.body)); got != test.want {
			t.Errorf("%s: %q, want %q", test.reason, got, test.want)
		}
	}
}

// However many reviews of one namespace take however long, those of another one are let through at once, also where all
// come from one API server.
func TestANamespaceLeavesRoomForOthersOfItsAddress(t *testing.T) {
	for reason, object := range map[string]string{
		"small reviews":                  `{}`,
		"small reviews with long texts":  `{"a":"` + strings.Repeat("x", largeBody-1024) + `"}`,
		"large reviews":                  `{"a":"` + strings.Repeat("x", 1<<20) + `"}`,
		"reviews of some values":         `{"a":[` + strings.Repeat("0,", manyValues/perElement/4) + `0]}`,
		"reviews of as many as possible": `{"a":[` + strings.Repeat("0,", maxValues-100) + `0]}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			end := make(chan struct{})
			handler := newReviews().limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"busy"`) {
					<-end
				}
			}))
			busy := reviewOf(t, "busy", object)
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() { serve(handler, post("10.0.0.1", busy)) })
			}
			synctest.Wait()
			begun := time.Now() // in synctest's time
			for _, object := range []string{
				`{}`, `{"a":"` + strings.Repeat("x", largeBody/2) + `"}`, `{"a":[` + strings.Repeat("0,", 200) + `0]}`,
			} {
				if answer := serve(handler, post("10.0.0.1", reviewOf(t, "other", object))); answer.Code != http.StatusOK {
					t.Errorf("%s: another namespace got %d", reason, answer.Code)
				}
			}
			if waited := time.Since(begun); waited > time.Second {
				t.Errorf("%s: another namespace waited for %v", reason, waited)
			}
			close(end)
			all.Wait()
		})
	}
}
