package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
)

const stored = "default/n"

var (
	ends  = summary(metav1.ConditionTrue, "Succeeded")
	fails = summary(metav1.ConditionFalse, "BackoffLimitExceeded")
	runs  = summary(metav1.ConditionUnknown, "Running")
)

// once does something after the first read was answered: what happens then must not be missed.
func (f *fakeAPIServer) once(do func()) {
	first := true
	f.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
		if !first {
			return false
		}
		first = false
		apitest.AnswerJSON(w, http.StatusOK, f.Get(stored))
		w.(http.Flusher).Flush()
		do()
		return true
	}
}

func TestWait(t *testing.T) {
	for _, test := range []struct {
		reason     string
		query      string
		has        bool // the caller has the state of the beginning
		begins     func(*dispatcherv1alpha1.JobExecution)
		happens    func(api *fakeAPIServer)
		wantStatus int
		wantReason string // of the Succeeded condition, or the problem
		wantReads  int
	}{
		{reason: "it has finished", query: "?wait=60", begins: ends, wantStatus: 200, wantReason: "Succeeded", wantReads: 1},
		{reason: "it finishes", query: "?wait=60", begins: runs, happens: func(api *fakeAPIServer) {
			api.Change(stored,
				fails)
		},
			wantStatus: 200, wantReason: "BackoffLimitExceeded", wantReads: 2},
		{reason: "more than the longest wait", query: "?wait=99999999999999999999", begins: runs,
			happens:    func(api *fakeAPIServer) { api.Change(stored, ends) },
			wantStatus: 200, wantReason: "Succeeded", wantReads: 2},
		{reason: "the time is over", query: "?wait=1", begins: runs, wantStatus: 200, wantReason: "Running", wantReads: 2},
		{reason: "no time at all", query: "?wait=0", begins: runs, wantStatus: 200, wantReason: "Running", wantReads: 1},
		{reason: "another change is not the end", query: "?wait=1", begins: summary(metav1.ConditionUnknown, "Waiting"),
			happens:    func(api *fakeAPIServer) { api.Change(stored, runs) },
			wantStatus: 200, wantReason: "Running", wantReads: 2},
		{reason: "but it is news to who has the state before", query: "?wait=60", has: true,
			begins: summary(metav1.ConditionUnknown, "Waiting"), happens: func(api *fakeAPIServer) { api.Change(stored, runs) },
			wantStatus: 200, wantReason: "Running", wantReads: 2},
		{reason: "no news in time", query: "?wait=1", has: true, begins: runs, wantStatus: 304, wantReads: 2},
		{reason: "no news of what has finished", query: "?wait=1", has: true, begins: ends, wantStatus: 304, wantReads: 2},
		{reason: "a TTL of 0 takes it away as it finishes", query: "?wait=60", begins: runs,
			happens: func(api *fakeAPIServer) {
				api.Change(stored, ends)
				api.Remove(stored)
			}, wantStatus: 200, wantReason: "Succeeded", wantReads: 2},
		{reason: "who knows how it finished is told that it is gone", query: "?wait=60", has: true, begins: ends,
			happens:    func(api *fakeAPIServer) { api.Remove(stored) },
			wantStatus: 404, wantReason: "ExecutionNotFound", wantReads: 2},
		{reason: "it is deleted", query: "?wait=60", begins: runs, happens: func(api *fakeAPIServer) { api.Remove(stored) },
			wantStatus: 404, wantReason: "ExecutionNotFound", wantReads: 2},
		{reason: "another takes its name, perhaps of a template that the caller may not see", query: "?wait=60", begins: runs,
			happens: func(api *fakeAPIServer) {
				api.Remove(stored)
				api.Change(api.put("n").Namespace+"/n", func(e *dispatcherv1alpha1.JobExecution) { e.UID = "another" })
			}, wantStatus: 404, wantReason: "ExecutionNotFound", wantReads: 2},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			api := newFakeAPIServer(t)
			before := api.put("n", test.begins)
			if test.happens != nil {
				api.once(func() { test.happens(api) })
			}
			request := httptest.NewRequest(http.MethodGet, "/executions/default/n"+test.query, nil)
			if test.has {
				request.Header.Set("If-None-Match", entityTag(before, mediaJSON))
			}
			response := serve(api.server(t, testOptions()), request)
			if response.StatusCode != test.wantStatus {
				t.Fatalf("status = %d, want %d", response.StatusCode, test.wantStatus)
			}
			switch test.wantStatus {
			case http.StatusOK:
				var got dispatcherv1alpha1.JobExecution
				if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
					t.Fatal(err)
				}
				if got.Summary().Reason != test.wantReason || got.Spec.Payload != "p" || got.Kind != "JobExecution" {
					t.Errorf("got %+v", got)
				}
				if response.Header.Get("ETag") != entityTag(&got, mediaJSON) {
					t.Errorf("ETag = %s, of another state than the body", response.Header.Get("ETag"))
				}
			case http.StatusNotFound:
				if got := problemOf(t, response); string(got.Reason) != test.wantReason {
					t.Errorf("got %+v", got)
				}
			}
			if got := len(api.Methods()); got != test.wantReads {
				t.Errorf("the API server was asked %d times, want %d", got, test.wantReads)
			}
			if api.watcher.Subscriptions() > 0 {
				t.Error("the subscription was left behind")
			}
		})
	}
}

// The time-outs of a connection must not end a wait, nor may a wait keep the server from stopping.
func TestWaitOutlivesTimeoutsAndNotTheServer(t *testing.T) {
	for _, path := range []string{"/executions/default/n?wait=300", "/executions/default/n/events"} {
		api := newFakeAPIServer(t)
		api.put("n", runs)
		entered := make(chan struct{}, 1)
		api.once(func() { entered <- struct{}{} })
		s := api.server(t, testOptions())
		s.http.ReadTimeout, s.http.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
		r := start(t, s)
		ended := make(chan int, 1)
		go func() {
			response, err := http.Get("http://" + r.address + path)
			if err != nil {
				ended <- 0
				return
			}
			defer response.Body.Close()
			for err == nil {
				_, err = response.Body.Read(make([]byte, 1<<10))
			}
			ended <- response.StatusCode
		}()
		<-entered
		select {
		case status := <-ended:
			t.Errorf("%s: ended with status %d before its time", path, status)
		case <-time.After(500 * time.Millisecond):
		}
		r.stop()
		if status := <-ended; status != http.StatusOK {
			t.Errorf("%s: status = %d when the server stopped", path, status)
		}
		if err := <-r.stopped; err != nil {
			t.Errorf("stopped with %v", err)
		}
	}
}

// Whoever hangs up costs nothing more.
func TestWaitEndsWithItsCaller(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n", runs)
	ctx, hangUp := context.WithCancel(t.Context())
	api.once(hangUp)
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/executions/default/n?wait=300", nil)
	serve(api.server(t, testOptions()), request)
	if reads := len(api.Methods()); reads != 1 || api.watcher.Subscriptions() > 0 {
		t.Errorf("%d reads, %d subscriptions", reads, api.watcher.Subscriptions())
	}
}
