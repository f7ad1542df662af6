package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
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
	// onGet, where set, may answer a get or a list.
	onGet func(w http.ResponseWriter, r *http.Request) (answered bool)
	// onTry, where set, may answer the dry-run create of a Job.
	onTry func(w http.ResponseWriter, job *batchv1.Job) (answered bool)
	// onPods answers for pods and their logs.
	onPods func(w http.ResponseWriter, r *http.Request)
	// template, where set, is the JobTemplate of any name.
	template *dispatcherv1alpha1.JobTemplate

	// onPatch, where set, may answer a patch.
	onPatch func(w http.ResponseWriter, r *http.Request) (answered bool)

	// watcher is that of the server under test.
	watcher *watcher

	url string

	mutex   sync.Mutex
	stored  map[string]*dispatcherv1alpha1.JobExecution
	late    *dispatcherv1alpha1.JobExecution
	calls   []string
	queries []string
}

func newFakeAPIServer(t testing.TB) *fakeAPIServer {
	fake := &fakeAPIServer{watcher: newWatcher(), stored: map[string]*dispatcherv1alpha1.JobExecution{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	fake.url = server.URL
	return fake
}

// client returns the client under test.
func (f *fakeAPIServer) client(t testing.TB) *apiServer {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{dispatcherv1alpha1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
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
	d := testDependencies(f.client(t))
	d.watcher = f.watcher
	return newServer(d, options, logr.Discard())
}

// testDependencies lets everybody do everything, at an API server of the test's own.
func testDependencies(api *apiServer) dependencies {
	return dependencies{apiServer: api, watcher: newWatcher(), access: openAccess{}, defaults: defaults{noTemplates{}}, programs: render.NewCache(10)}
}

// noTemplates is a cache that has none.
type noTemplates struct{ client.Reader }

func (noTemplates) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{Group: "dispatcher.ivan.vc", Resource: "jobtemplates"}, key.Name)
}

func (f *fakeAPIServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	f.calls = append(f.calls, r.Method)
	f.queries = append(f.queries, r.URL.RawQuery)
	f.mutex.Unlock()
	if strings.HasPrefix(r.URL.Path, "/api/v1/") {
		f.onPods(w, r)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/apis/batch/v1/") {
		f.tryJob(w, r)
		return
	}
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
		if r.URL.Query().Get("dryRun") == metav1.DryRunAll {
			execution.UID = "tried"
			w.Header().Set("Warning", `299 - "odd payload"`)
			answerJSON(w, http.StatusCreated, execution)
			return
		}
		if !f.storeNew(execution) {
			answerError(w, apierrors.NewAlreadyExists(executionsResource, execution.Name))
			return
		}
		answerJSON(w, http.StatusCreated, execution)
	case http.MethodGet:
		if f.onGet != nil && f.onGet(w, r) {
			return
		}
		if f.template != nil && len(parts) == 3 && parts[1] == resourceTemplates {
			answerJSON(w, http.StatusOK, f.template)
			return
		}
		if strings.HasPrefix(parts[len(parts)-1], "job") && len(parts) == 2 {
			f.list(w, r, parts[0])
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
	case http.MethodPatch:
		f.patch(w, r, key)
	case http.MethodDelete:
		f.delete(w, r, key)
	}
}

// list answers with what is stored in a namespace, by name. Its continue is the name to go on after.
func (f *fakeAPIServer) list(w http.ResponseWriter, r *http.Request, namespace string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	query := r.URL.Query()
	limit, _ := strconv.Atoi(query.Get("limit"))
	list := dispatcherv1alpha1.JobExecutionList{TypeMeta: metav1.TypeMeta{APIVersion: "dispatcher.ivan.vc/v1alpha1", Kind: "JobExecutionList"}}
	for _, key := range slices.Sorted(maps.Keys(f.stored)) {
		execution := f.stored[key]
		if execution.Namespace != namespace || execution.Name <= query.Get("continue") {
			continue
		}
		if len(list.Items) == limit {
			list.Continue = list.Items[limit-1].Name
			list.RemainingItemCount = new(int64(1))
			break
		}
		list.Items = append(list.Items, *execution)
	}
	answerJSON(w, http.StatusOK, list)
}

// patch takes the one patch that there is: it cancels, or it does nothing.
func (f *fakeAPIServer) patch(w http.ResponseWriter, r *http.Request, key string) {
	if f.onPatch != nil && f.onPatch(w, r) {
		return
	}
	change := &dispatcherv1alpha1.JobExecution{}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, change); err != nil {
		answerError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	f.mutex.Lock()
	found := f.stored[key]
	f.mutex.Unlock()
	if change.UID != found.UID {
		answerError(w, uidMismatch())
		return
	}
	answerJSON(w, http.StatusOK, f.change(key, func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Canceled = change.Spec.Canceled }))
}

// uidMismatch is the API server's answer to a patch with the UID of another object.
func uidMismatch() *apierrors.StatusError {
	return apierrors.NewInvalid(executionKind, "n", field.ErrorList{field.Invalid(field.NewPath("metadata", "uid"), "u", "field is immutable")})
}

// change changes what is stored, and tells those who watch.
func (f *fakeAPIServer) change(key string, change func(*dispatcherv1alpha1.JobExecution)) *dispatcherv1alpha1.JobExecution {
	f.mutex.Lock()
	changed := f.stored[key].DeepCopy()
	f.stored[key] = changed
	change(changed)
	version, _ := strconv.Atoi(changed.ResourceVersion)
	changed.ResourceVersion = strconv.Itoa(version + 1)
	f.mutex.Unlock()
	f.watcher.notify(changed, false)
	return changed
}

// remove removes what is stored, and tells those who watch.
func (f *fakeAPIServer) remove(key string) {
	f.mutex.Lock()
	removed := f.stored[key]
	delete(f.stored, key)
	f.mutex.Unlock()
	f.watcher.notify(removed, true)
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
	case len(found.Finalizers) > 0:
		found.DeletionTimestamp = new(metav1.Now())
		answerJSON(w, http.StatusOK, found)
	default:
		delete(f.stored, key)
		answerJSON(w, http.StatusOK, &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess})
	}
}

// storeNew stores an execution unless there is one of its name.
func (f *fakeAPIServer) storeNew(execution *dispatcherv1alpha1.JobExecution) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.stored[execution.Namespace+"/"+execution.Name] != nil {
		return false
	}
	f.keep(execution)
	return true
}

func (f *fakeAPIServer) store(execution *dispatcherv1alpha1.JobExecution) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.keep(execution)
}

func (f *fakeAPIServer) keep(execution *dispatcherv1alpha1.JobExecution) {
	if execution.UID == "" { // else it is another state of one that is stored
		execution.UID = types.UID("uid-" + strconv.Itoa(len(f.calls)))
	}
	execution.TypeMeta = metav1.TypeMeta{APIVersion: "dispatcher.ivan.vc/v1alpha1", Kind: "JobExecution"}
	execution.ResourceVersion = strconv.Itoa(len(f.calls) + len(f.stored))
	execution.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "dispatcher-http-api"}}
	if len(execution.Status.Conditions) == 0 {
		execution.Status.Conditions = []metav1.Condition{{Type: "Succeeded", Status: metav1.ConditionUnknown, Reason: "Waiting"}}
	}
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

// tryJob answers the dry-run create of a Job with what an API server adds to it.
func (f *fakeAPIServer) tryJob(w http.ResponseWriter, r *http.Request) {
	job := &batchv1.Job{}
	if err := json.NewDecoder(r.Body).Decode(job); err != nil || r.Method != http.MethodPost || r.URL.Query().Get("dryRun") != metav1.DryRunAll {
		answerError(w, apierrors.NewBadRequest("only Jobs, and only dry-runs"))
		return
	}
	if f.onTry != nil && f.onTry(w, job) {
		return
	}
	job.UID, job.CreationTimestamp, job.Generation = "tried-job", metav1.Now(), 1
	job.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: fieldManager}}
	job.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{batchv1.ControllerUidLabel: "tried-job"}}
	job.Spec.Template.Labels[batchv1.ControllerUidLabel] = "tried-job"
	job.Spec.Template.Labels["controller-uid"] = "tried-job"
	job.Spec.Template.Labels[batchv1.JobNameLabel] = job.Name
	w.Header().Set("Warning", `299 - "would violate PodSecurity \"restricted:latest\""`)
	answerJSON(w, http.StatusCreated, job)
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
	return Options{BindAddress: "127.0.0.1:0", DefaultNamespace: "default", MaxPayloadBytes: DefaultMaxPayloadBytes,
		MaxRequestsInFlight: DefaultMaxRequestsInFlight, MaxWaitingRequests: DefaultMaxWaitingRequests, MaxWait: DefaultMaxWait}
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
