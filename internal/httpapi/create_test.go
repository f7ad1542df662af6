package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

type answerCreate func(w http.ResponseWriter, r *http.Request, execution *dispatcherv1alpha1.JobExecution) bool

// hangUp breaks the connection without an answer.
func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func execute(t *testing.T, server *server) (*http.Response, *dispatcherv1alpha1.JobExecution) {
	t.Helper()
	response := serve(server, httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader("p")))
	created := &dispatcherv1alpha1.JobExecution{}
	if response.StatusCode == http.StatusCreated {
		if err := json.NewDecoder(response.Body).Decode(created); err != nil {
			t.Fatal(err)
		}
	}
	return response, created
}

// What the API server stored is a success, whatever became of its answer.
func TestStoredButNotAnswered(t *testing.T) {
	for reason, answer := range map[string]func(w http.ResponseWriter){
		"the connection broke": hangUp,
		"half an answer":       func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); _, _ = w.Write([]byte("{")) },
		"a time-out":           func(w http.ResponseWriter) { answerError(w, apierrors.NewTimeoutError("x", 0)) },
		"try again": func(w http.ResponseWriter) {
			answerError(w, apierrors.NewServerTimeout(executionsResource, "create", 1))
		},
		"unavailable":       func(w http.ResponseWriter) { answerError(w, apierrors.NewServiceUnavailable("x")) },
		"an internal error": func(w http.ResponseWriter) { answerError(w, apierrors.NewInternalError(context.DeadlineExceeded)) },
	} {
		t.Run(reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.onCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
				api.store(execution)
				answer(w)
				return true
			}
			server := api.server(t, testOptions())
			response, created := execute(t, server)
			if response.StatusCode != http.StatusCreated {
				t.Fatalf("status = %d", response.StatusCode)
			}
			if diff := cmp.Diff([]string{"default/" + created.Name}, api.names()); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			if len(server.leftovers.entries) > 0 {
				t.Error("an execution that its caller knows of must not be looked for")
			}
		})
	}
}

// Only where the API server may still store the object is it looked for.
func TestWhatIsLookedForAfterAnError(t *testing.T) {
	for _, test := range []struct {
		reason  string
		answer  func(w http.ResponseWriter)
		lookFor bool
	}{
		{"a broken connection", hangUp, true},
		{"a time-out", func(w http.ResponseWriter) { answerError(w, apierrors.NewTimeoutError("x", 0)) }, true},
		{"an internal error", func(w http.ResponseWriter) {
			answerError(w, apierrors.NewInternalError(context.DeadlineExceeded))
		}, true},
		{"admission could not be asked, which comes before storage", func(w http.ResponseWriter) {
			answerError(w, policy(500, "InternalError", `Internal error occurred: failed calling webhook "x"`))
		}, false},
		{"admission had no time left", func(w http.ResponseWriter) {
			answerError(w, byWebhook(apierrors.NewTimeoutError("x", 0)))
		}, false},
		{"too large for etcd", func(w http.ResponseWriter) {
			answerError(w, policy(500, "", "etcdserver: request is too large"))
		}, false},
		{"busy: refused before it began", func(w http.ResponseWriter) { answerError(w, apierrors.NewTooManyRequests("x", 1)) }, false},
		{"forbidden", func(w http.ResponseWriter) {
			answerError(w, apierrors.NewForbidden(executionsResource, "", context.Canceled))
		}, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.onCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
				test.answer(w)
				return true
			}
			server := api.server(t, testOptions())
			if response, _ := execute(t, server); response.StatusCode < 400 {
				t.Fatalf("status = %d", response.StatusCode)
			}
			if got := len(server.leftovers.entries) == 1; got != test.lookFor {
				t.Errorf("looked for: %t, want %t", got, test.lookFor)
			}
			if got := slices.Contains(api.methods(), http.MethodGet); got != test.lookFor {
				t.Errorf("looked up at once: %t, want %t", got, test.lookFor)
			}
		})
	}
}

func TestTakenNames(t *testing.T) {
	for _, test := range []struct {
		reason     string
		taken      int // so many creates meet an object of that name
		wantStatus int
	}{
		{"another name is tried", 1, http.StatusCreated},
		{"and another", 2, http.StatusCreated},
		{"but not for ever", 3, http.StatusInternalServerError},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			var names []string
			api.onCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
				names = append(names, execution.Name)
				if len(names) > test.taken {
					return false
				}
				foreign := execution.DeepCopy()
				foreign.Annotations[dispatcherv1alpha1.AnnotationReceivedAt] = "2000-01-01T00:00:00Z"
				api.store(foreign)
				answerError(w, apierrors.NewAlreadyExists(executionsResource, execution.Name))
				return true
			}
			server := api.server(t, testOptions())
			response, created := execute(t, server)
			if response.StatusCode != test.wantStatus {
				t.Fatalf("status = %d, want %d", response.StatusCode, test.wantStatus)
			}
			if response.StatusCode == http.StatusCreated && created.Name != names[test.taken] {
				t.Errorf("answered with %q, want %q", created.Name, names[test.taken])
			}
			slices.Sort(names)
			if len(slices.Compact(names)) != min(test.taken+1, maxNameAttempts) {
				t.Errorf("names tried: %v", names)
			}
			if len(server.leftovers.entries) > 0 {
				t.Error("a foreign object must not be looked for")
			}
		})
	}
}

func TestLeftovers(t *testing.T) {
	begin := time.Now()
	foreign := func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Annotations[dispatcherv1alpha1.AnnotationRequestID] = "somebody else's"
	}
	for _, test := range []struct {
		reason      string
		stored      bool
		change      func(*dispatcherv1alpha1.JobExecution)
		unavailable bool
		age         time.Duration
		wantKept    bool // still looked for
		wantStored  bool
	}{
		{reason: "it turned up: deleted", stored: true, age: sweepInterval},
		{reason: "however late", stored: true, age: leftoverTimeout},
		{reason: "it may still turn up", age: sweepInterval, wantKept: true},
		{reason: "it cannot turn up any more", age: settledAfter},
		{reason: "it is not ours: left alone", stored: true, change: foreign, age: sweepInterval, wantStored: true},
		{reason: "the API server is away: tried again", stored: true, unavailable: true, age: settledAfter, wantKept: true, wantStored: true},
		{reason: "but not for ever", stored: true, unavailable: true, age: leftoverTimeout, wantStored: true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.onCreate = api.lose
			server := api.server(t, testOptions())
			if response, _ := execute(t, server); response.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("status = %d", response.StatusCode)
			}
			if test.stored {
				api.storeLate(test.change)
			}
			if test.unavailable {
				api.onGet = func(w http.ResponseWriter, _ *http.Request) bool {
					answerError(w, apierrors.NewServiceUnavailable("x"))
					return true
				}
			}
			server.leftovers.entries[0].since = begin
			server.leftovers.sweep(t.Context(), begin.Add(test.age))
			if got := len(server.leftovers.entries) == 1; got != test.wantKept {
				t.Errorf("still looked for: %t, want %t", got, test.wantKept)
			}
			if got := len(api.names()) == 1; got != test.wantStored {
				t.Errorf("still stored: %t, want %t", got, test.wantStored)
			}
		})
	}
}

func TestLeftoversAreBounded(t *testing.T) {
	left := newFakeAPIServer(t).server(t, testOptions()).leftovers
	execution := newExecution(target{namespace: "default", template: "t"}, "a payload that need not be kept", &record{})
	for range maxLeftovers + 1 {
		left.add(execution)
	}
	if len(left.entries) != maxLeftovers || left.entries[0].execution.Spec.Payload != "" {
		t.Errorf("%d leftovers, the first with payload %q", len(left.entries), left.entries[0].execution.Spec.Payload)
	}
}
