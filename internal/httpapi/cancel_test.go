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
)

func TestCancel(t *testing.T) {
	canceled := summary(metav1.ConditionFalse, dispatcherv1alpha1.ReasonCanceled)
	answered := func(err *apierrors.StatusError) func(*fakeAPIServer, http.ResponseWriter) bool {
		return func(_ *fakeAPIServer, w http.ResponseWriter) bool {
			answerError(w, err)
			return true
		}
	}
	for _, test := range []struct {
		reason      string
		begins      func(*dispatcherv1alpha1.JobExecution)
		onPatch     func(*fakeAPIServer, http.ResponseWriter) bool
		onRead      func(*fakeAPIServer)
		wantStatus  int
		wantReason  reason // where it is refused
		wantDetail  string
		wantPatches int
	}{
		{reason: "it ends", begins: runs, onRead: func(api *fakeAPIServer) { api.change(stored, canceled) }, wantStatus: 200, wantPatches: 1},
		{reason: "it had ended so", begins: canceled, wantStatus: 200},
		{reason: "it was told to already, and ends", begins: func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Canceled = true },
			onRead: func(api *fakeAPIServer) { api.change(stored, canceled) }, wantStatus: 200},
		{reason: "its end takes too long", begins: runs, wantStatus: 202, wantPatches: 1},
		{reason: "it had finished", begins: fails, wantStatus: 409, wantReason: reasonAlreadyFinished,
			wantDetail: "the execution has finished already, with Succeeded=False and the reason BackoffLimitExceeded"},
		{reason: "it finishes meanwhile", begins: runs, onRead: func(api *fakeAPIServer) { api.change(stored, ends) },
			wantStatus: 409, wantReason: reasonAlreadyFinished, wantDetail: "the execution has finished already, with Succeeded=True and the reason Succeeded", wantPatches: 1},
		{reason: "it is deleted meanwhile", begins: runs, onRead: func(api *fakeAPIServer) { api.remove(stored) },
			wantStatus: 404, wantReason: reasonExecutionNotFound, wantPatches: 1},
		{reason: "another has its name", begins: runs, onPatch: answered(uidMismatch()),
			wantStatus: 404, wantReason: reasonExecutionNotFound, wantPatches: 1},
		{reason: "a policy forbids it", begins: runs, onPatch: answered(byWebhook(apierrors.NewForbidden(executionsResource, "n", errors.New("not now")))),
			wantStatus: 403, wantReason: reasonForbidden, wantDetail: `admission webhook "x" denied the request`, wantPatches: 1},
		{reason: "so does one that calls it invalid", begins: runs, onPatch: answered(apierrors.NewInvalid(executionKind, "n", nil)),
			wantStatus: 403, wantReason: reasonForbidden, wantDetail: `JobExecution.dispatcher.ivan.vc "n" is invalid`, wantPatches: 1},
		{reason: "the API server is away", begins: runs, onPatch: answered(apierrors.NewServiceUnavailable("bye")),
			wantStatus: 503, wantReason: reasonUnavailable, wantDetail: away, wantPatches: 1},
		{reason: "the API server goes away afterwards", begins: runs, onRead: func(api *fakeAPIServer) {
			api.onGet = func(w http.ResponseWriter, _ *http.Request) bool {
				answerError(w, apierrors.NewServiceUnavailable("bye"))
				return true
			}
			api.change(stored, canceled)
		}, wantStatus: 202, wantPatches: 1},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			api := newFakeAPIServer(t)
			api.put("n", test.begins)
			if test.onPatch != nil {
				api.onPatch = func(w http.ResponseWriter, _ *http.Request) bool { return test.onPatch(api, w) }
			}
			if test.onRead != nil {
				reads := 0
				api.onGet = func(w http.ResponseWriter, _ *http.Request) bool {
					if reads++; reads < 2 {
						return false
					}
					// The second read is after the patch.
					api.once(func() { test.onRead(api) })
					return api.onGet(w, nil)
				}
			}
			response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodPost, "/executions/default/n/cancel", nil))
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
				if got.Kind != "JobExecution" || (got.Summary().Reason == dispatcherv1alpha1.ReasonCanceled) != (test.wantStatus == 200) {
					t.Errorf("got %+v", got)
				}
				if got := response.Header.Get("Location"); (got == "/executions/default/n") != (test.wantStatus == 202) {
					t.Errorf("Location = %q", got)
				}
			}
			if got := strings.Count(strings.Join(api.methods(), " "), http.MethodPatch); got != test.wantPatches {
				t.Errorf("%d patches, want %d", got, test.wantPatches)
			}
		})
	}
}
