package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

func TestExecuteCreatesAnExecution(t *testing.T) {
	for _, test := range []struct {
		name, method, path, wantNamespace, wantTemplate string
	}{
		{"PUT with a namespace", http.MethodPut, "/execute/team-a/nightly", "team-a", "nightly"},
		{"POST does the same", http.MethodPost, "/execute/team-a/nightly", "team-a", "nightly"},
		{"without one, in the default namespace", http.MethodPut, "/execute/nightly", "default", "nightly"},
		{"a template may have dots", http.MethodPut, "/execute/team-a/nightly.v1", "team-a", "nightly.v1"},
		{"percent-encoding is undone", http.MethodPut, "/execute/team%2Da/%6eightly", "team-a", "nightly"},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := newFakeAPIServer(t)
			before := time.Now()
			response := serve(
				api.server(t, testOptions()),
				httptest.NewRequest(test.method, test.path, strings.NewReader("my test payload")),
			)

			if response.StatusCode != http.StatusCreated || response.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("status = %d, Content-Type = %q", response.StatusCode, response.Header.Get("Content-Type"))
			}
			var got dispatcherv1alpha1.JobExecution
			if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.APIVersion != "dispatcher.ivan.vc/v1alpha1" || got.Kind != "JobExecution" || got.ManagedFields != nil ||
				len(got.Status.Conditions) != 1 {
				t.Errorf("the answer must have its kind and status, and no managedFields; got %+v", got)
			}
			wantSpec := dispatcherv1alpha1.JobExecutionSpec{
				JobTemplateName: test.wantTemplate, Payload: "my test payload",
				Caller: &dispatcherv1alpha1.Caller{Username: "system:anonymous", Via: dispatcherv1alpha1.CallerViaHTTP},
			}
			if diff := cmp.Diff(wantSpec, got.Spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			if !regexp.MustCompile(`^`+test.wantTemplate+`-[a-z0-9]{10}$`).MatchString(got.Name) ||
				got.Namespace != test.wantNamespace {
				t.Errorf("created %s/%s", got.Namespace, got.Name)
			}
			if want := "/executions/" + test.wantNamespace + "/" + got.Name; response.Header.Get("Location") != want {
				t.Errorf("Location = %q, want %q", response.Header.Get("Location"), want)
			}
			if diff := cmp.Diff([]string{test.wantNamespace + "/" + got.Name}, api.Names()); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			received, err := time.Parse(time.RFC3339Nano, got.Annotations[dispatcherv1alpha1.AnnotationReceivedAt])
			if err != nil || received.Before(before.Add(-time.Millisecond)) || received.After(time.Now()) {
				t.Errorf("received-at = %v, %v", received, err)
			}
			if id := got.Annotations[dispatcherv1alpha1.AnnotationRequestID]; id == "" ||
				id != response.Header.Get("X-Request-Id") {
				t.Errorf("request-id = %q, X-Request-Id = %q", id, response.Header.Get("X-Request-Id"))
			}
		})
	}
}

func TestExecuteTakesTheBodyAsItIsSent(t *testing.T) {
	for name, payload := range map[string]string{
		"empty":                     "",
		"JSON":                      `{"a": "b&c", "d": ["<e>"]}`,
		"form":                      "a=b&c=%20",
		"line breaks and quotes":    "a\r\nb\n\"c\" 'd'\t\\",
		"NUL and controls":          "a\x00b\x01\x1b",
		"what the kubelet expands":  "$(HOME) $$ $(",
		"beyond ASCII":              "héllo 世界 🚀 \u2028\uFEFF",
		"replacement character":     "\uFFFD is valid UTF-8",
		"as large as it may be":     strings.Repeat("a", DefaultMaxPayloadBytes),
		"one that JSON has to blow": strings.Repeat("<", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			contentTypes := []string{
				"", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "no type",
			}
			for _, contentType := range contentTypes {
				api := newFakeAPIServer(t)
				request := httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader(payload))
				request.Header.Set("Content-Type", contentType)
				if response := serve(api.server(t, testOptions()), request); response.StatusCode != http.StatusCreated {
					t.Fatalf("status = %d", response.StatusCode)
				}
				for _, execution := range api.Stored() {
					if execution.Spec.Payload != payload {
						t.Errorf("with Content-Type %q, stored %.100q, want %.100q", contentType, execution.Spec.Payload, payload)
					}
				}
			}
		})
	}
}

// A create is sent once, with a deadline for the API server: see apiServer.
func TestCreateHasADeadline(t *testing.T) {
	api := newFakeAPIServer(t)
	serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodPut, "/execute/t", nil))
	if diff := cmp.Diff([]string{"fieldManager=dispatcher-http-api&timeout=10s"}, api.Queries()); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

func TestRequestIDs(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	for _, test := range []struct {
		sent      string
		takenOver bool
		reason    string
	}{
		{"", false, "none is sent"},
		{"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true, "a UUID"},
		{"trace:1_a.b", true, "another token"},
		{strings.Repeat("a", 128), true, "as long as it may be"},
		{strings.Repeat("a", 129), false, "too long to be echoed and stored"},
		{"a b", false, "not a token"},
		{"a\nb", false, "a line break could forge a log line"},
		{"<script>", false, "it is echoed"},
		{"é", false, "headers are ASCII"},
	} {
		request := httptest.NewRequest(http.MethodPut, "/execute/t", nil)
		request.Header.Set("X-Request-Id", test.sent)
		api := newFakeAPIServer(t)
		got := serve(api.server(t, testOptions()), request).Header.Get("X-Request-Id")
		if test.takenOver && got != test.sent || !test.takenOver && !uuid.MatchString(got) {
			t.Errorf("%s: sent %q, got %q", test.reason, test.sent, got)
		}
		for _, execution := range api.Stored() {
			if execution.Annotations[dispatcherv1alpha1.AnnotationRequestID] != got {
				t.Errorf(
					"%s: the execution has %q, the answer %q",
					test.reason,
					execution.Annotations[dispatcherv1alpha1.AnnotationRequestID],
					got,
				)
			}
		}
	}
}
