package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var (
	executionsResource = schema.GroupResource{Group: "dispatcher.ivan.vc", Resource: "jobexecutions"}
	executionKind      = schema.GroupKind{Group: "dispatcher.ivan.vc", Kind: "JobExecution"}
)

// fakeAPIServer stores JobExecutions behind the HTTP that a real API server speaks, so that the client's own handling of
// answers, time-outs and broken connections is part of what is tested.
type fakeAPIServer struct {
	// onCreate, where set, may answer a create instead of storing it, or store it before it answers otherwise.
	onCreate func(w http.ResponseWriter, r *http.Request, execution *dispatcherv1alpha1.JobExecution) (answered bool)
	// onGet, where set, may answer a get.
	onGet func(w http.ResponseWriter, r *http.Request) (answered bool)

	url string

	mutex   sync.Mutex
	stored  map[string]*dispatcherv1alpha1.JobExecution
	late    *dispatcherv1alpha1.JobExecution
	calls   []string
	queries []string
}

func newFakeAPIServer(t testing.TB) *fakeAPIServer {
	fake := &fakeAPIServer{stored: map[string]*dispatcherv1alpha1.JobExecution{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	fake.url = server.URL
	return fake
}

// client returns the client under test.
func (f *fakeAPIServer) client(t testing.TB) *apiServer {
	scheme := runtime.NewScheme()
	if err := dispatcherv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	api, err := newAPIServer(&rest.Config{Host: f.url, QPS: -1}, &http.Client{Transport: transport}, scheme)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// server returns the server under test, not started; its handler can be called.
func (f *fakeAPIServer) server(t testing.TB, options Options) *server {
	return newServer(f.client(t), options, logr.Discard())
}

func (f *fakeAPIServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	f.calls = append(f.calls, r.Method)
	f.queries = append(f.queries, r.URL.RawQuery)
	f.mutex.Unlock()
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/apis/dispatcher.ivan.vc/v1alpha1/namespaces/"), "/")
	key := parts[0] + "/" + parts[len(parts)-1]
	switch r.Method {
	case http.MethodPost:
		execution := &dispatcherv1alpha1.JobExecution{}
		if err := json.NewDecoder(r.Body).Decode(execution); err != nil {
			answerError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		if f.onCreate != nil && f.onCreate(w, r, execution) {
			return
		}
		f.store(execution)
		answerJSON(w, http.StatusCreated, execution)
	case http.MethodGet:
		if f.onGet != nil && f.onGet(w, r) {
			return
		}
		f.mutex.Lock()
		found, ok := f.stored[key]
		f.mutex.Unlock()
		if !ok {
			answerError(w, apierrors.NewNotFound(executionsResource, parts[len(parts)-1]))
			return
		}
		answerJSON(w, http.StatusOK, found)
	case http.MethodDelete:
		f.delete(w, r, key)
	}
}

func (f *fakeAPIServer) delete(w http.ResponseWriter, r *http.Request, key string) {
	options := &metav1.DeleteOptions{}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, options); err != nil {
		answerError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	found, ok := f.stored[key]
	switch {
	case !ok:
		answerError(w, apierrors.NewNotFound(executionsResource, key))
	case options.Preconditions == nil || *options.Preconditions.UID != found.UID:
		answerError(w, apierrors.NewConflict(executionsResource, key, io.EOF))
	default:
		delete(f.stored, key)
		answerJSON(w, http.StatusOK, &metav1.Status{Status: metav1.StatusSuccess})
	}
}

func (f *fakeAPIServer) store(execution *dispatcherv1alpha1.JobExecution) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	execution.UID = types.UID("uid-" + strconv.Itoa(len(f.calls)))
	execution.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "dispatcher-http-api"}}
	execution.Status.Conditions = []metav1.Condition{{Type: "Succeeded", Status: metav1.ConditionUnknown, Reason: "Waiting"}}
	f.stored[execution.Namespace+"/"+execution.Name] = execution
}

// lose breaks the connection of a create, and keeps what it was about to store.
func (f *fakeAPIServer) lose(_ http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.late = execution
	panic(http.ErrAbortHandler)
}

// storeLate stores what was kept, after change has been made to it.
func (f *fakeAPIServer) storeLate(change func(*dispatcherv1alpha1.JobExecution)) {
	f.mutex.Lock()
	late := f.late
	f.mutex.Unlock()
	if change != nil {
		change(late)
	}
	f.store(late)
}

// names of all that is stored, as namespace/name.
func (f *fakeAPIServer) names() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var names []string
	for name := range f.stored {
		names = append(names, name)
	}
	return names
}

func (f *fakeAPIServer) methods() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.calls
}

func answerError(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(status.Details.RetryAfterSeconds)))
	}
	answerJSON(w, int(status.Code), status)
}

func answerJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func testOptions() Options {
	return Options{BindAddress: "127.0.0.1:0", DefaultNamespace: "default", MaxPayloadBytes: DefaultMaxPayloadBytes}
}

// serve hands one request to the handler and returns the answer.
func serve(s *server, request *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

// problemOf decodes a problem and checks what is true of all of them.
func problemOf(t testing.TB, response *http.Response) problem {
	t.Helper()
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type = %q, want application/problem+json", got)
	}
	var got problem
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("decoding the problem: %v", err)
	}
	if got.Type != "about:blank" || got.Title != http.StatusText(got.Status) || got.Status != response.StatusCode {
		t.Errorf("type %q, title %q and status %d do not go together with status code %d", got.Type, got.Title, got.Status, response.StatusCode)
	}
	if got.RequestID == "" || got.RequestID != response.Header.Get("X-Request-Id") {
		t.Errorf("requestId = %q, X-Request-Id = %q: they must be the same", got.RequestID, response.Header.Get("X-Request-Id"))
	}
	return got
}
