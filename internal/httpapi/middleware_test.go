package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// capturedLog collects what is logged, one object per line.
type capturedLog struct {
	mutex sync.Mutex
	lines []string
}

func (c *capturedLog) logger() logr.Logger {
	return funcr.NewJSON(func(line string) {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.lines = append(c.lines, line)
	}, funcr.Options{})
}

// only returns the one line that was logged.
func (c *capturedLog) only(t *testing.T) map[string]any {
	t.Helper()
	if len(c.lines) != 1 {
		t.Fatalf("got %d lines, want 1:\n%s", len(c.lines), strings.Join(c.lines, "\n"))
	}
	got := map[string]any{}
	if err := json.Unmarshal([]byte(c.lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAccessLog(t *testing.T) {
	logPayloads := testOptions()
	logPayloads.LogPayloads = true
	refused := func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
		apitest.AnswerError(
			w,
			apierrors.NewInvalid(
				apitest.ExecutionKind,
				"n",
				field.ErrorList{field.Invalid(field.NewPath("spec", "payload"), execution.Spec.Payload, "no")},
			),
		)
		return true
	}
	rbac := func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
		apitest.AnswerError(w, apierrors.NewUnauthorized("token expired"))
		return true
	}
	for _, test := range []struct {
		reason   string
		options  Options
		path     string
		onCreate func(w http.ResponseWriter, r *http.Request, execution *dispatcherv1alpha1.JobExecution) bool
		want     map[string]any
	}{
		{reason: "a created execution, without its payload", options: testOptions(), path: "/execute/team-a/nightly",
			want: map[string]any{
				"method": "PUT", "route": "/execute/{namespace}/{template}", "path": "/execute/team-a/nightly", "status": 201.0,
				"namespace": "team-a", "jobTemplate": "nightly", "user": "system:anonymous"}},
		{reason: "with it where that is asked for", options: logPayloads, path: "/execute/nightly", want: map[string]any{
			"method": "PUT", "route": "/execute/{template}", "path": "/execute/nightly", "status": 201.0,
			"namespace": "default", "jobTemplate": "nightly", "user": "system:anonymous", "payload": "top\nsecret"}},
		{reason: "an error that quotes the payload", options: testOptions(), path: "/execute/nightly", onCreate: refused,
			want: map[string]any{
				"method": "PUT", "route": "/execute/{template}", "path": "/execute/nightly", "status": 422.0,
				"namespace": "default", "jobTemplate": "nightly", "user": "system:anonymous", "error": "Invalid spec.payload"}},
		{reason: "what the caller is not told", options: testOptions(), path: "/execute/nightly", onCreate: rbac,
			want: map[string]any{
				"method": "PUT", "route": "/execute/{template}", "path": "/execute/nightly", "status": 503.0,
				"namespace": "default", "jobTemplate": "nightly", "user": "system:anonymous",
				"error": "Unavailable: token expired"}},
		{reason: "a line break in a path is one value", options: testOptions(), path: "/execute/a%0Ab", want: map[string]any{
			"method": "PUT", "route": "/execute/{template}", "path": "/execute/a%0Ab", "status": 400.0,
			"error": "InvalidRequest template"}},
		{reason: "a long path is cut", options: testOptions(), path: "/" + strings.Repeat("a", 2000), want: map[string]any{
			"method": "PUT", "route": "other", "path": "/" + strings.Repeat("a", 1023) + "...", "status": 404.0, "error": "NotFound"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.OnCreate = test.onCreate
			log := &capturedLog{}
			server := newServer(testDependencies(api.client(t), test.options), test.options, log.logger())
			request := httptest.NewRequest(http.MethodPut, test.path, strings.NewReader("top\nsecret"))
			request.Header.Set("X-Request-Id", "r1")
			response := serve(server, request)

			got := log.only(t)
			test.want["requestID"], test.want["remoteAddress"], test.want["msg"] = "r1", request.RemoteAddr, "request"
			test.want["bytes"] = float64(bodyLength(t, response))
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreMapEntries(func(key string, _ any) bool {
				return key == "duration" || key == "logger" || key == "level" || key == "jobExecution"
			})); diff != "" {
				t.Errorf("access log (-want +got):\n%s", diff)
			}
			if _, created := got["jobExecution"]; created != (response.StatusCode == http.StatusCreated) {
				t.Errorf("jobExecution = %v with status %d", got["jobExecution"], response.StatusCode)
			}
		})
	}
}

// A stranger may send a request of 20 KiB, and many of them. No part of it makes the line as long.
func TestAccessLogIsShort(t *testing.T) {
	long := strings.Repeat("x", 15<<10)
	for reason, change := range map[string]func(r *http.Request){
		"method":      func(r *http.Request) { r.Method = long },
		"path":        func(r *http.Request) { r.URL.Path = "/execute/" + long },
		"namespace":   func(r *http.Request) { r.URL.Path = "/execute/" + long + "/nightly" },
		"other path":  func(r *http.Request) { r.URL.Path = "/" + strings.Repeat("ä", 7<<10) },
		"query name":  func(r *http.Request) { r.URL.RawQuery = long + "=1" },
		"query value": func(r *http.Request) { r.URL.RawQuery = "fieldManager=" + long },
		"host":        func(r *http.Request) { r.Host = long },
		"headers": func(r *http.Request) {
			for _, name := range []string{
				"Accept", "Authorization", "Content-Type", "Expect", "Idempotency-Key", "If-Match", "Origin", "Prefer",
				"Sec-Fetch-Site", "Transfer-Encoding", "Upgrade", "User-Agent", "X-Forwarded-For", "X-Request-Id",
			} {
				r.Header.Set(name, long)
			}
		},
	} {
		for _, header := range []bool{false, true} {
			api := newFakeAPIServer(t)
			log := &capturedLog{}
			server := newServer(testDependencies(api.client(t), testOptions()), testOptions(), log.logger())
			request := httptest.NewRequest(http.MethodPut, "/execute/nightly", strings.NewReader("payload"))
			change(request)
			if header {
				request.Header.Set("Authorization", "Bearer "+long)
			}
			_ = serve(server, request)
			for _, line := range log.lines {
				if len(line) > 4*maxLoggedText {
					t.Errorf("%s: a line has %d bytes: %.300s", reason, len(line), line)
				}
			}
			if len(log.lines) == 0 {
				t.Errorf("%s: no line", reason)
			}
		}
	}
}

func bodyLength(t *testing.T, response *http.Response) int {
	t.Helper()
	var body strings.Builder
	if err := response.Write(&body); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(body.String(), "\r\n\r\n")
	return len(rest)
}

func TestMetrics(t *testing.T) {
	requests.Reset()
	requestDuration.Reset()
	waitDuration.Reset()
	server := newFakeAPIServer(t).server(t, testOptions())
	for _, request := range []struct{ method, path string }{
		{http.MethodPut, "/execute/a/t"}, {http.MethodPut, "/execute/b/u"}, {http.MethodGet, "/execute/t"},
		{"BREW", "/execute/t"}, {"MIX", "/execute/t"}, {http.MethodPut, "/x"}, {http.MethodPut, "/y"},
	} {
		serve(server, httptest.NewRequest(request.method, request.path, nil))
	}
	waiting := httptest.NewRequest(http.MethodPut, "/execute/a/t", nil)
	waiting.Header.Set("Prefer", "wait=0")
	serve(server, waiting)
	const want = `
# HELP dispatcher_http_requests_total HTTP requests that were answered, by route, method and status code.
# TYPE dispatcher_http_requests_total counter
dispatcher_http_requests_total{code="201",method="PUT",route="/execute/{namespace}/{template}"} 2
dispatcher_http_requests_total{code="202",method="PUT",route="/execute/{namespace}/{template}"} 1
dispatcher_http_requests_total{code="405",method="GET",route="/execute/{template}"} 1
dispatcher_http_requests_total{code="405",method="other",route="/execute/{template}"} 2
dispatcher_http_requests_total{code="404",method="PUT",route="other"} 2
`
	if err := testutil.CollectAndCompare(requests, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if got := testutil.CollectAndCount(requestDuration); got != 4 {
		t.Errorf("%d series of durations, want 4", got)
	}
	if got := testutil.CollectAndCount(waitDuration); got != 1 {
		t.Errorf("%d series of waits, want 1", got)
	}
	if got := testutil.ToFloat64(requestsInFlight); got != 0 {
		t.Errorf("%v requests in flight, want none", got)
	}
	collectors := []prometheus.Collector{requests, requestDuration, waitDuration, requestsInFlight, requestsWaiting}
	for _, metric := range collectors {
		problems, err := testutil.CollectAndLint(metric)
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
	}
}

// panicking is a route whose handler panics, before or after it began to answer.
type panicking struct{}

func (panicking) register(router *mux.Router) {
	router.Handle("/before", handler(func(http.ResponseWriter, *http.Request) error { panic("a secret") }))
	router.Handle("/after", handler(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = w.Write([]byte("half"))
		panic("a secret")
	}))
}

func TestPanics(t *testing.T) {
	log := &capturedLog{}
	server := httptest.NewServer(observe(log.logger(), recoverPanics(log.logger(), newRouter(panicking{}))))
	defer server.Close()

	response, err := http.Get(server.URL + "/before")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := problemOf(t, response); got.Reason != problem.InternalError || strings.Contains(got.Detail, "secret") {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(strings.Join(log.lines, "\n"), "a secret") {
		t.Error("the panic is not logged")
	}

	if response, err = http.Get(server.URL + "/after"); err == nil {
		defer response.Body.Close()
		if _, err = io.ReadAll(response.Body); err == nil {
			t.Error("half an answer looks like a whole one")
		}
	}
}

// A refused caller's body is not read.
func TestRefusedCallersAreNotRead(t *testing.T) {
	d := testDependencies(newFakeAPIServer(t).client(t), testOptions())
	d.access = accessOf(authorizerfactory.NewAlwaysDenyAuthorizer())
	request := httptest.NewRequest(http.MethodPut, "/execute/t", nil)
	body := &untouched{}
	request.Body = body
	response := serve(newServer(d, testOptions(), logr.Discard()), request)
	if response.StatusCode != http.StatusUnauthorized || body.read {
		t.Errorf("status %d, body read: %t", response.StatusCode, body.read)
	}
}

type untouched struct{ read bool }

func (u *untouched) Read([]byte) (int, error) { u.read = true; return 0, http.ErrBodyReadAfterClose }
func (u *untouched) Close() error             { return nil }
