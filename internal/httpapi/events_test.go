package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/watch"
)

// event is a server-sent event, with the execution in its data.
type event struct {
	id, kind  string
	execution dispatcherv1alpha1.JobExecution
}

// reader reads a stream as a browser does.
type reader struct {
	t       *testing.T
	scanner *bufio.Scanner
}

// next returns the next event, or false when the stream has ended.
func (r *reader) next() (event, bool) {
	r.t.Helper()
	var got event
	for r.scanner.Scan() {
		field, value, _ := strings.Cut(r.scanner.Text(), ": ")
		switch field {
		case "id":
			got.id = value
		case "event":
			got.kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &got.execution); err != nil {
				r.t.Fatal(err)
			}
			if got.execution.Kind != "JobExecution" || got.execution.Spec.Payload != "p" || got.execution.ManagedFields != nil {
				r.t.Errorf("got %+v", got.execution)
			}
			if got.id != got.execution.ResourceVersion {
				r.t.Errorf("id = %s, of another state than the data", got.id)
			}
		case "":
			if value == "" && got.kind != "" {
				return got, true
			}
		default:
			r.t.Errorf("not a field of an event: %q", r.scanner.Text())
		}
	}
	if err := r.scanner.Err(); err != nil {
		r.t.Errorf("the stream did not end well: %v", err)
	}
	return event{}, false
}

// wants checks the next events, each by its kind and the reason of the Succeeded condition.
func (r *reader) wants(want ...string) {
	r.t.Helper()
	got := []string{}
	for range want {
		next, ok := r.next()
		if !ok {
			got = append(got, "end")
			break
		}
		got = append(got, next.kind+" "+next.execution.Summary().Reason)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Fatalf("events (-want +got):\n%s", diff)
	}
}

// follow opens a stream of the execution that is stored.
func follow(t *testing.T, r *running, path string, header http.Header) (*http.Response, *reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response, &reader{t, bufio.NewScanner(response.Body)}
}

func TestEvents(t *testing.T) {
	for path, header := range map[string]http.Header{
		"/executions/default/n/events": {},
		"/executions/default/n":        {"Accept": {"text/event-stream"}},
	} {
		api := newFakeAPIServer(t)
		api.put("n", summary(metav1.ConditionUnknown, "Waiting"))
		response, events := follow(t, start(t, api.server(t, testOptions())), path, header)
		got := response.Header
		if response.StatusCode != http.StatusOK || got.Get("Content-Type") != "text/event-stream" ||
			got.Get("Cache-Control") != "no-store" ||
			got.Get("X-Accel-Buffering") != "no" {
			t.Errorf("status = %d, header %v", response.StatusCode, got)
		}
		events.wants("execution Waiting")
		api.Change(stored, func(e *dispatcherv1alpha1.JobExecution) { e.Labels = map[string]string{"no": "news"} })
		api.Change(stored, runs)
		events.wants("execution Running")
		api.Change(stored, ends)
		events.wants("execution Succeeded", "end")
	}
}

func TestEventsOfAnEnd(t *testing.T) {
	for _, test := range []struct {
		reason  string
		begins  func(*dispatcherv1alpha1.JobExecution)
		happens func(api *fakeAPIServer)
		want    []string
	}{
		{"it has finished", ends, func(*fakeAPIServer) {}, []string{"execution Succeeded", "end"}},
		{"it is deleted", runs, func(api *fakeAPIServer) { api.Remove(stored) }, []string{"execution Running",
			"deleted Running", "end"}},
		{"a TTL of 0 takes it away as it finishes", runs, func(api *fakeAPIServer) {
			api.Change(stored, ends)
			api.Remove(stored)
		}, []string{"execution Running", "execution Succeeded", "end"}},
		{"another takes its name", runs, func(api *fakeAPIServer) {
			api.Remove(stored)
			api.put("n")
			api.Change(stored, func(e *dispatcherv1alpha1.JobExecution) { e.UID = "another" })
		}, []string{"execution Running", "deleted Running", "end"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.put("n", test.begins)
			api.once(func() { test.happens(api) })
			_, events := follow(t, start(t, api.server(t, testOptions())), "/executions/default/n/events", nil)
			events.wants(test.want...)
		})
	}
}

func TestEventsGoOnWhereTheyStopped(t *testing.T) {
	api := newFakeAPIServer(t)
	execution := api.put("n", runs)
	r := start(t, api.server(t, testOptions()))
	last := http.Header{"Last-Event-Id": {execution.ResourceVersion}}
	_, events := follow(t, r, "/executions/default/n/events", last)
	ended := api.Change(stored, ends)
	events.wants("execution Succeeded", "end")

	// A browser comes back until it is told that there is no more.
	last.Set("Last-Event-Id", ended.ResourceVersion)
	response, events := follow(t, r, "/executions/default/n/events", last)
	if _, more := events.next(); more || response.StatusCode != http.StatusNoContent {
		t.Errorf("status = %d, more: %t", response.StatusCode, more)
	}
}

func TestHeadOfEvents(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n", runs)
	response := serve(
		api.server(t, testOptions()),
		httptest.NewRequest(http.MethodHead, "/executions/default/n/events", nil),
	)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("status = %d, header %v", response.StatusCode, response.Header)
	}
}

// An API server that is away for a moment does not end a stream: what happened meanwhile follows when it is back.
func TestEventsOutliveTheAPIServer(t *testing.T) {
	api := newFakeAPIServer(t)
	execution := api.put("n", runs).DeepCopy()
	subscription := api.watcher.Subscribe(types.NamespacedName{Namespace: "default", Name: "n"}, "")
	defer subscription.Close()
	failures := 0
	api.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
		failures++
		if failures > 3 {
			return false
		}
		apitest.AnswerError(w, apierrors.NewServiceUnavailable("away"))
		return true
	}
	recorder := httptest.NewRecorder()
	stream := &eventStream{
		w:           recorder,
		connection:  http.NewResponseController(recorder),
		memory:      answerMemory{api.memory.reads, recorder, httptest.NewRequest(http.MethodGet, "/", nil)},
		streamTimes: streamTimes{keepAlive: time.Millisecond, writeTimeout: time.Second},
	}
	api.Change(stored, ends)
	stream.follow(t.Context(), subscription, watch.NewCopy(execution, nil))
	body := recorder.Body.String()
	if !strings.Contains(body, `"reason":"Running"`) || !strings.Contains(body, `"reason":"Succeeded"`) ||
		!strings.Contains(body, "\n: keep-alive\n\n") {
		t.Errorf("got %s", body)
	}
}

// A caller that does not read is cut.
func TestEventsNeedAReader(t *testing.T) {
	api := newFakeAPIServer(t)
	execution := api.put("n", runs).DeepCopy()
	execution.Spec.Payload = strings.Repeat("x", 16<<20)
	subscription := api.watcher.Subscribe(types.NamespacedName{Namespace: "default", Name: "n"}, "")
	defer subscription.Close()
	cut := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream := &eventStream{
			w:           w,
			connection:  http.NewResponseController(w),
			memory:      answerMemory{api.memory.reads, w, r},
			streamTimes: streamTimes{keepAlive: time.Hour, writeTimeout: 100 * time.Millisecond},
		}
		stream.follow(context.Background(), subscription, watch.NewCopy(execution, nil))
		close(cut)
	}))
	t.Cleanup(server.Close)
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := connection.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	<-cut
}
