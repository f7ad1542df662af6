// Package apitest is a fake API server for the tests of the HTTP API. Nothing but tests may import it.
package apitest

import (
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

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Names of what is stored.
var (
	ExecutionsResource = schema.GroupResource{Group: "dispatcher.ivan.vc", Resource: "jobexecutions"}
	ExecutionKind      = schema.GroupKind{Group: "dispatcher.ivan.vc", Kind: "JobExecution"}
)

// Server stores JobExecutions behind the HTTP that a real API server speaks, so that the client's own handling of
// answers, time-outs and broken connections is part of what is tested.
type Server struct {
	// OnCreate, where set, may answer a create instead of storing it, or store it before it answers otherwise.
	OnCreate func(w http.ResponseWriter, r *http.Request, execution *dispatcherv1alpha1.JobExecution) (answered bool)
	// OnGet, where set, may answer a get or a list.
	OnGet func(w http.ResponseWriter, r *http.Request) (answered bool)
	// OnTry, where set, may answer the dry-run create of a Job.
	OnTry func(w http.ResponseWriter, job *batchv1.Job) (answered bool)
	// OnPods answers for pods and their logs.
	OnPods func(w http.ResponseWriter, r *http.Request)
	// Template, where set, is the JobTemplate of any name.
	Template *dispatcherv1alpha1.JobTemplate

	// OnPatch, where set, may answer a patch.
	OnPatch func(w http.ResponseWriter, r *http.Request) (answered bool)

	// OnDelete, where set, may answer a delete.
	OnDelete func(w http.ResponseWriter, r *http.Request) (answered bool)

	// OnChange, where set, is told of every change of what is stored.
	OnChange func(execution *dispatcherv1alpha1.JobExecution, deleted bool)

	URL string

	mutex   sync.Mutex
	stored  map[string]*dispatcherv1alpha1.JobExecution
	late    *dispatcherv1alpha1.JobExecution
	calls   []string
	queries []string
}

// New starts a server for one test.
func New(t testing.TB) *Server {
	fake := &Server{stored: map[string]*dispatcherv1alpha1.JobExecution{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	fake.URL = server.URL
	return fake
}

// Config is that of a client of the server.
func (f *Server) Config() *rest.Config {
	return &rest.Config{Host: f.URL, QPS: -1}
}

// HTTPClient is an HTTP client for one test.
func HTTPClient(t testing.TB) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Scheme has the types that the server knows.
func Scheme(t testing.TB) *runtime.Scheme {
	scheme := runtime.NewScheme()
	types := []func(*runtime.Scheme) error{dispatcherv1alpha1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme}
	for _, add := range types {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// ServeHTTP answers as an API server does.
func (f *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	f.calls = append(f.calls, r.Method)
	f.queries = append(f.queries, r.URL.RawQuery)
	f.mutex.Unlock()
	if strings.HasPrefix(r.URL.Path, "/api/v1/") {
		f.OnPods(w, r)
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
		f.create(w, r)
	case http.MethodGet:
		f.get(w, r, parts, key)
	case http.MethodPatch:
		f.patch(w, r, key)
	case http.MethodDelete:
		if f.OnDelete == nil || !f.OnDelete(w, r) {
			f.delete(w, r, key)
		}
	}
}

func (f *Server) create(w http.ResponseWriter, r *http.Request) {
	execution := &dispatcherv1alpha1.JobExecution{}
	if err := json.NewDecoder(r.Body).Decode(execution); err != nil {
		AnswerError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	if f.OnCreate != nil && f.OnCreate(w, r, execution) {
		return
	}
	if r.URL.Query().Get("dryRun") == metav1.DryRunAll {
		execution.UID = "tried"
		w.Header().Set("Warning", `299 - "odd payload"`)
		AnswerJSON(w, http.StatusCreated, execution)
		return
	}
	if !f.storeNew(execution) {
		AnswerError(w, apierrors.NewAlreadyExists(ExecutionsResource, execution.Name))
		return
	}
	AnswerJSON(w, http.StatusCreated, execution)
}

func (f *Server) get(w http.ResponseWriter, r *http.Request, parts []string, key string) {
	if f.OnGet != nil && f.OnGet(w, r) {
		return
	}
	if f.Template != nil && len(parts) == 3 && parts[1] == "jobtemplates" {
		AnswerJSON(w, http.StatusOK, f.Template)
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
		AnswerError(w, apierrors.NewNotFound(ExecutionsResource, parts[len(parts)-1]))
		return
	}
	AnswerJSON(w, http.StatusOK, found)
}

// list answers with what is stored in a namespace, by name. Its continue is the name to go on after.
func (f *Server) list(w http.ResponseWriter, r *http.Request, namespace string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	query := r.URL.Query()
	limit, _ := strconv.Atoi(query.Get("limit"))
	list := dispatcherv1alpha1.JobExecutionList{
		TypeMeta: metav1.TypeMeta{APIVersion: "dispatcher.ivan.vc/v1alpha1", Kind: "JobExecutionList"},
	}
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
	AnswerJSON(w, http.StatusOK, list)
}

// patch takes the one patch that there is: it cancels, or it does nothing.
func (f *Server) patch(w http.ResponseWriter, r *http.Request, key string) {
	if f.OnPatch != nil && f.OnPatch(w, r) {
		return
	}
	change := &dispatcherv1alpha1.JobExecution{}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, change); err != nil {
		AnswerError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	f.mutex.Lock()
	found := f.stored[key]
	f.mutex.Unlock()
	if change.UID != found.UID {
		AnswerError(w, UIDMismatch())
		return
	}
	AnswerJSON(
		w,
		http.StatusOK,
		f.Change(key, func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Canceled = change.Spec.Canceled }),
	)
}

// UIDMismatch is the API server's answer to a patch with the UID of another object.
func UIDMismatch() *apierrors.StatusError {
	return apierrors.NewInvalid(
		ExecutionKind,
		"n",
		field.ErrorList{field.Invalid(field.NewPath("metadata", "uid"), "u", "field is immutable")},
	)
}

func (f *Server) delete(w http.ResponseWriter, r *http.Request, key string) {
	options := &metav1.DeleteOptions{}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, options); err != nil {
		AnswerError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	found, ok := f.stored[key]
	switch {
	case !ok:
		AnswerError(w, apierrors.NewNotFound(ExecutionsResource, key))
	case options.Preconditions == nil || *options.Preconditions.UID != found.UID:
		AnswerError(w, apierrors.NewConflict(ExecutionsResource, key, io.EOF))
	case len(found.Finalizers) > 0:
		found.DeletionTimestamp = new(metav1.Now())
		AnswerJSON(w, http.StatusOK, found)
	default:
		delete(f.stored, key)
		AnswerJSON(
			w,
			http.StatusOK,
			&metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess},
		)
	}
}

// tryJob answers the dry-run create of a Job with what an API server adds to it.
func (f *Server) tryJob(w http.ResponseWriter, r *http.Request) {
	job := &batchv1.Job{}
	if err := json.NewDecoder(r.Body).Decode(job); err != nil || r.Method != http.MethodPost ||
		r.URL.Query().Get("dryRun") != metav1.DryRunAll {
		AnswerError(w, apierrors.NewBadRequest("only Jobs, and only dry-runs"))
		return
	}
	if f.OnTry != nil && f.OnTry(w, job) {
		return
	}
	job.UID, job.CreationTimestamp, job.Generation = "tried-job", metav1.Now(), 1
	job.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "dispatcher-http-api"}}
	job.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{batchv1.ControllerUidLabel: "tried-job"}}
	job.Spec.Template.Labels[batchv1.ControllerUidLabel] = "tried-job"
	job.Spec.Template.Labels["controller-uid"] = "tried-job"
	job.Spec.Template.Labels[batchv1.JobNameLabel] = job.Name
	w.Header().Set("Warning", `299 - "would violate PodSecurity \"restricted:latest\""`)
	AnswerJSON(w, http.StatusCreated, job)
}

// AnswerError answers with an error as the API server does.
func AnswerError(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(status.Details.RetryAfterSeconds)))
	}
	AnswerJSON(w, int(status.Code), status)
}

// AnswerJSON answers with an object.
func AnswerJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
