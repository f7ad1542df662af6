package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

func TestCancel(t *testing.T) {
	canceled := summary(metav1.ConditionFalse, dispatcherv1alpha1.ReasonCanceled)
	answered := func(err *apierrors.StatusError) func(*fakeAPIServer, http.ResponseWriter) bool {
		return func(_ *fakeAPIServer, w http.ResponseWriter) bool {
			apitest.AnswerError(w, err)
			return true
		}
	}
	for _, test := range []struct {
		reason      string
		begins      func(*dispatcherv1alpha1.JobExecution)
		onPatch     func(*fakeAPIServer, http.ResponseWriter) bool
		onRead      func(*fakeAPIServer)
		wantStatus  int
		wantReason  problem.Reason // where it is refused
		wantDetail  string
		wantPatches int
	}{
		{reason: "it ends", begins: runs, onRead: func(api *fakeAPIServer) { api.Change(stored, canceled) },
			wantStatus: 200, wantPatches: 1},
		{reason: "it had ended so", begins: canceled, wantStatus: 200},
		{reason: "it was told to already, and ends",
			begins: func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Canceled = true },
			onRead: func(api *fakeAPIServer) { api.Change(stored, canceled) }, wantStatus: 200},
		{reason: "its end takes too long", begins: runs, wantStatus: 202, wantPatches: 1},
		{reason: "it had finished", begins: fails, wantStatus: 409, wantReason: problem.AlreadyFinished},
		{reason: "it finishes meanwhile", begins: runs, onRead: func(api *fakeAPIServer) { api.Change(stored, ends) },
			wantStatus: 409, wantReason: problem.AlreadyFinished, wantPatches: 1},
		{reason: "it is deleted meanwhile", begins: runs, onRead: func(api *fakeAPIServer) { api.Remove(stored) },
			wantStatus: 404, wantReason: problem.ExecutionNotFound, wantPatches: 1},
		{reason: "another has its name", begins: runs, onPatch: answered(apitest.UIDMismatch()),
			wantStatus: 404, wantReason: problem.ExecutionNotFound, wantPatches: 1},
		{reason: "a policy forbids it", begins: runs, onPatch: answered(deniedByWebhook()),
			wantStatus: 403, wantReason: problem.Forbidden, wantDetail: `admission webhook "x" denied the request`,
			wantPatches: 1},
		{reason: "so does one that calls it invalid", begins: runs,
			onPatch:    answered(apierrors.NewInvalid(apitest.ExecutionKind, "n", nil)),
			wantStatus: 403, wantReason: problem.Forbidden, wantDetail: `JobExecution.dispatcher.ivan.vc "n" is invalid`,
			wantPatches: 1},
		{reason: "the API server is away", begins: runs, onPatch: answered(apierrors.NewServiceUnavailable("bye")),
			wantStatus: 503, wantReason: problem.Unavailable, wantPatches: 1},
		{reason: "the API server goes away afterwards", begins: runs, onRead: func(api *fakeAPIServer) {
			api.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
				apitest.AnswerError(w, apierrors.NewServiceUnavailable("bye"))
				return true
			}
			api.Change(stored, canceled)
		}, wantStatus: 202, wantPatches: 1},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			api := newFakeAPIServer(t)
			api.put("n", test.begins)
			if test.onPatch != nil {
				api.OnPatch = func(w http.ResponseWriter, _ *http.Request) bool { return test.onPatch(api, w) }
			}
			if test.onRead != nil {
				reads := 0
				api.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
					if reads++; reads < 2 {
						return false
					}
					// The second read is after the patch.
					api.once(func() { test.onRead(api) })
					return api.OnGet(w, nil)
				}
			}
			response := serve(
				api.server(t, testOptions()),
				httptest.NewRequest(http.MethodPost, "/executions/default/n/cancel", nil),
			)
			if response.StatusCode != test.wantStatus {
				t.Fatalf("status = %d, want %d", response.StatusCode, test.wantStatus)
			}
			if test.wantReason != "" {
				if got := problemOf(t, response); got.Reason != test.wantReason || !strings.HasPrefix(got.Detail, test.wantDetail) {
					t.Errorf("got %+v", got)
				}
			} else {
				var got dispatcherv1alpha1.JobExecution
				if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
					t.Fatal(err)
				}
				if got.Kind != "JobExecution" ||
					(got.Summary().Reason == dispatcherv1alpha1.ReasonCanceled) != (test.wantStatus == 200) {
					t.Errorf("got %+v", got)
				}
				if got := response.Header.Get("Location"); (got == "/executions/default/n") != (test.wantStatus == 202) {
					t.Errorf("Location = %q", got)
				}
			}
			if got := strings.Count(strings.Join(api.Methods(), " "), http.MethodPatch); got != test.wantPatches {
				t.Errorf("%d patches, want %d", got, test.wantPatches)
			}
		})
	}
}

// deniedByWebhook is what the API server answers where a webhook does not allow something.
func deniedByWebhook() *apierrors.StatusError {
	err := apierrors.NewForbidden(apitest.ExecutionsResource, "n", errors.New("not now"))
	err.ErrStatus.Message = `admission webhook "x" denied the request: ` + err.ErrStatus.Message
	return err
}
