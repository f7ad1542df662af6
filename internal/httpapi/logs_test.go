package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// fakePods are the pods of a fake API server, and their logs.
type fakePods struct {
	// onLog, where set, may answer for a log.
	onLog func(w http.ResponseWriter, r *http.Request) (answered bool)

	mutex   sync.Mutex
	pods    []corev1.Pod
	logs    map[string]string // by pod and container
	queries []string
	version int           // of the pods
	changed chan struct{} // closed when they change
}

// newFakeAPIServerWithPods has a running execution called n, whose Job has the UID "job".
func newFakeAPIServerWithPods(t *testing.T, pods ...corev1.Pod) (*fakeAPIServer, *fakePods) {
	api := newFakeAPIServer(t)
	api.put("n", runs, func(e *dispatcherv1alpha1.JobExecution) {
		e.Status.Job = &dispatcherv1alpha1.JobReference{Kind: "Job", Name: "n", UID: "job"}
	})
	fake := &fakePods{pods: pods, logs: map[string]string{}, changed: make(chan struct{})}
	api.OnPods = fake.serve
	return api, fake
}

func (f *fakePods) serve(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	pods, changed, version := slices.Clone(f.pods), f.changed, strconv.Itoa(f.version)
	f.mutex.Unlock()
	parts := strings.Split(r.URL.Path, "/")
	if parts[len(parts)-1] == "log" {
		f.mutex.Lock()
		f.queries = append(f.queries, r.URL.RawQuery)
		text, ok := f.logs[parts[len(parts)-2]+"/"+r.URL.Query().Get("container")]
		f.mutex.Unlock()
		switch {
		case f.onLog != nil && f.onLog(w, r):
		case !ok:
			apitest.AnswerError(w, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "x"))
		default:
			_, _ = io.WriteString(w, text)
		}
		return
	}
	if r.URL.Query().Get("labelSelector") != dispatcherv1alpha1.LabelJobExecution+"=n" {
		apitest.AnswerError(w, apierrors.NewBadRequest("only the pods of n"))
		return
	}
	if r.URL.Query().Get("watch") == "" {
		apitest.AnswerJSON(w, http.StatusOK, corev1.PodList{
			TypeMeta: metav1.TypeMeta{
				APIVersion: "v1",
				Kind:       "PodList",
			}, ListMeta: metav1.ListMeta{ResourceVersion: version}, Items: pods,
		})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.(http.Flusher).Flush()
	if r.URL.Query().Get("resourceVersion") != version {
		closed := make(chan struct{})
		close(closed)
		changed = closed
	}
	select {
	case <-changed:
		pod := corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": pod})
	case <-r.Context().Done():
	}
}

// change changes the pods, and tells those who watch.
func (f *fakePods) change(change func()) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	change()
	f.version++
	close(f.changed)
	f.changed = make(chan struct{})
}

// newPod returns a running pod of the execution with a main and a side container.
func newPod(name string, age time.Duration, change ...func(*corev1.Pod)) corev1.Pod {
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(time.Now().Add(-age)),
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "batch/v1", Kind: "Job", Name: "n", UID: "job", Controller: new(true)},
			},
		},
		Spec: corev1.PodSpec{
			Containers:     []corev1.Container{{Name: "main"}, {Name: "side"}},
			InitContainers: []corev1.Container{{Name: "init"}},
		},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", ContainerID: "1"}, {Name: "side", ContainerID: "2"}},
		},
	}
	for _, c := range change {
		c(&pod)
	}
	return pod
}

func notStarted(pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{Name: "main"}}}
}

func foreign(pod *corev1.Pod) { pod.OwnerReferences[0].UID = "another" }

const logsPath = "/executions/default/n/logs"

func TestLogs(t *testing.T) {
	for _, test := range []struct {
		reason, query string
		pods          []corev1.Pod
		want          string
		wantQueries   []string
	}{
		{"of the first container", "", []corev1.Pod{newPod("a", 0)}, "a/main\n", []string{"container=main"}},
		{"of another", "?container=side", []corev1.Pod{newPod("a", 0)}, "a/side\n", []string{"container=side"}},
		{"of the one that kubectl would take", "", []corev1.Pod{newPod("a", 0, func(p *corev1.Pod) {
			p.Annotations = map[string]string{"kubectl.kubernetes.io/default-container": "side"}
		})}, "a/side\n", []string{"container=side"}},
		{"unless there is none of that name", "", []corev1.Pod{newPod("a", 0, func(p *corev1.Pod) {
			p.Annotations = map[string]string{"kubectl.kubernetes.io/default-container": "x"}
		})}, "a/main\n", []string{"container=main"}},
		{"of an init container", "?container=init", []corev1.Pod{newPod("a", 0, func(p *corev1.Pod) {
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "init", ContainerID: "0"}}
		})}, "a/init\n", []string{"container=init"}},
		{"pod after pod, the oldest first", "", []corev1.Pod{newPod("a", 0), newPod("c", time.Hour), newPod("b",
			time.Minute)}, "c/main\nb/main\na/main\n",
			[]string{"container=main", "container=main", "container=main"}},
		{"of one pod", "?pod=b", []corev1.Pod{newPod("a", 0), newPod("b", 0)}, "b/main\n", []string{"container=main"}},
		{"what has not been started is left out", "", []corev1.Pod{newPod("a", 1, notStarted), newPod("b", 0)}, "b/main\n",
			[]string{"container=main"}},
		{"so nothing is an empty log", "", []corev1.Pod{newPod("a", 1, notStarted)}, "", nil},
		{"nor are there pods yet", "", nil, "", nil},
		{"a label makes no pod one of the Job", "", []corev1.Pod{newPod("a", 0, foreign)}, "", nil},
		{"the API server leaves out what is old", "?tailLines=0&sinceSeconds=60&timestamps=true&follow=false",
			[]corev1.Pod{newPod("a", 0)}, "a/main\n",
			[]string{"container=main&sinceSeconds=60&tailLines=0&timestamps=true"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api, fake := newFakeAPIServerWithPods(t, test.pods...)
			for _, pod := range test.pods {
				for _, container := range containerNames(&pod) {
					fake.logs[pod.Name+"/"+container] = pod.Name + "/" + container + "\n"
				}
			}
			response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodGet, logsPath+test.query, nil))
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("status = %d, header %v", response.StatusCode, response.Header)
			}
			if diff := cmp.Diff(test.want, string(body)); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantQueries, fake.queries); diff != "" {
				t.Errorf("queries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogsThatAreRefused(t *testing.T) {
	unavailable := func(w http.ResponseWriter, _ *http.Request) bool {
		apitest.AnswerError(w, apierrors.NewInternalError(errors.New("no route to the node")))
		return true
	}
	for _, test := range []struct {
		reason, query string
		change        func(api *fakeAPIServer, pods *fakePods)
		wantStatus    int
		wantReason    problem.Reason
		wantDetail    string // a part of it, or of the error of a field
	}{
		{reason: "an unknown parameter", query: "?previous=true", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "follow"},
		{reason: "follow is yes or no", query: "?follow=1", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "true or false"},
		{reason: "so are timestamps", query: "?timestamps", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "true or false"},
		{reason: "lines are a number", query: "?tailLines=-1", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "at least 0"},
		{reason: "seconds too", query: "?sinceSeconds=0", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "at least 1"},
		{reason: "no name", query: "?container=", wantStatus: 400, wantReason: problem.InvalidRequest},
		{reason: "a container that there is not", query: "?container=x", wantStatus: 400,
			wantReason: problem.InvalidRequest, wantDetail: "main, side, init"},
		{reason: "even when followed", query: "?container=x&follow=true", wantStatus: 400,
			wantReason: problem.InvalidRequest, wantDetail: "main, side, init"},
		{reason: "a pod that there is not", query: "?pod=x", wantStatus: 404, wantReason: problem.LogsGone,
			wantDetail: "it has a"},
		{reason: "the pods of another are not its own", query: "?pod=x", change: func(_ *fakeAPIServer, pods *fakePods) {
			pods.pods = append(pods.pods, newPod("x", 0, foreign))
		}, wantStatus: 404, wantReason: problem.LogsGone},
		{reason: "the pods were removed", change: func(api *fakeAPIServer, pods *fakePods) {
			api.Change(stored, ends)
			pods.pods = nil
		}, wantStatus: 404, wantReason: problem.LogsGone, wantDetail: "removed"},
		{reason: "there never was a Job", query: "?follow=true", change: func(api *fakeAPIServer, _ *fakePods) {
			api.Change(stored, func(e *dispatcherv1alpha1.JobExecution) {
				fails(e)
				e.Status.Job = nil
			})
		}, wantStatus: 404, wantReason: problem.LogsGone, wantDetail: "without a Job"},
		{reason: "there is no such execution", change: func(api *fakeAPIServer, _ *fakePods) { api.Remove(stored) },
			wantStatus: 404, wantReason: problem.ExecutionNotFound},
		{reason: "the node is away", change: func(_ *fakeAPIServer, pods *fakePods) { pods.onLog = unavailable },
			wantStatus: 503, wantReason: problem.Unavailable},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api, pods := newFakeAPIServerWithPods(t, newPod("a", 0))
			if test.change != nil {
				test.change(api, pods)
			}
			got := problemOf(
				t,
				serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodGet, logsPath+test.query, nil)),
			)
			if got.Status != test.wantStatus || got.Reason != test.wantReason {
				t.Errorf("got %+v", got)
			}
			said := got.Detail
			for _, wrong := range got.Errors {
				said += wrong.Detail
			}
			if !strings.Contains(said, test.wantDetail) {
				t.Errorf("%q does not tell %q", said, test.wantDetail)
			}
			if api.watcher.Subscriptions() > 0 {
				t.Error("the subscription was left behind")
			}
		})
	}
}

// Logs have a right of their own.
func TestLogsTakeTheRightToGetThem(t *testing.T) {
	for _, test := range []struct {
		allowed    access.Right
		wantStatus int
	}{
		{access.Right{Verb: "get", Subresource: access.Logs, Namespace: "default", Template: "t"}, http.StatusOK},
		{access.Right{Verb: "get", Subresource: access.Executions, Namespace: "default", Template: "t"},
			http.StatusUnauthorized},
	} {
		api, _ := newFakeAPIServerWithPods(t)
		d := testDependencies(api.client(t), testOptions())
		d.access = only(test.allowed)
		response := serve(newServer(d, testOptions(), logr.Discard()), httptest.NewRequest(http.MethodGet, logsPath, nil))
		if response.StatusCode != test.wantStatus {
			t.Errorf("with %v, status = %d, want %d", test.allowed, response.StatusCode, test.wantStatus)
		}
	}
}

func TestHeadOfLogsOpensNone(t *testing.T) {
	api, pods := newFakeAPIServerWithPods(t, newPod("a", 0))
	response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodHead, logsPath+"?follow=true", nil))
	if response.StatusCode != http.StatusOK || len(pods.queries) > 0 {
		t.Errorf("status = %d, queries %v", response.StatusCode, pods.queries)
	}
}

// followed is a log that is being followed over a connection.
type followed struct {
	*bufio.Scanner
	t *testing.T
}

func followLogs(t *testing.T, r *running, query string) *followed {
	t.Helper()
	response, err := http.Get("http://" + r.address + logsPath + "?follow=true" + query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status = %d", response.StatusCode)
	}
	return &followed{bufio.NewScanner(response.Body), t}
}

func (f *followed) wants(lines ...string) {
	f.t.Helper()
	for _, want := range lines {
		if !f.Scan() || f.Text() != want {
			f.t.Fatalf("got %q (%v), want %q", f.Text(), f.Err(), want)
		}
	}
}

func TestFollowLogs(t *testing.T) {
	api, pods := newFakeAPIServerWithPods(t)
	r := start(t, api.server(t, testOptions()))
	log := followLogs(t, r, "&tailLines=1") // The headers are there before there is a pod.

	pods.change(func() { pods.pods = []corev1.Pod{newPod("a", 2, notStarted)} })
	pods.change(func() {
		pods.pods[0] = newPod("a", 2)
		pods.logs["a/main"] = "first\n"
	})
	log.wants("first")

	// Its container fails and is started again.
	pods.change(func() {
		pods.pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", ContainerID: "again"}}
		pods.logs["a/main"] = "second\n"
	})
	log.wants("second")

	// The Job tries another pod.
	pods.change(func() {
		pods.pods = append(pods.pods, newPod("b", 1))
		pods.logs["b/main"] = "third\n"
	})
	log.wants("third")

	// The last one comes together with the end.
	pods.mutex.Lock()
	pods.pods = append(pods.pods, newPod("c", 0))
	pods.logs["c/main"] = "fourth\n"
	pods.mutex.Unlock()
	api.Change(stored, ends)
	log.wants("fourth")
	if log.Scan() || log.Err() != nil {
		t.Errorf("the log goes on with %q, or did not end well: %v", log.Text(), log.Err())
	}
	want := []string{
		"container=main&follow=true",
		"container=main&follow=true",
		"container=main&follow=true",
		"container=main&follow=true",
	}
	if diff := cmp.Diff(want, pods.queries); diff != "" {
		t.Errorf("what is printed while it is followed is never left out (-want +got):\n%s", diff)
	}
}

func TestFollowLogsOfOnePod(t *testing.T) {
	api, pods := newFakeAPIServerWithPods(t, newPod("a", 1), newPod("b", 0))
	pods.logs["b/main"] = "b\n"
	log := followLogs(t, start(t, api.server(t, testOptions())), "&pod=b&tailLines=1")
	log.wants("b")
	pods.change(func() { pods.pods[1].Status.Phase = corev1.PodFailed })
	if log.Scan() || log.Err() != nil {
		t.Errorf("the log goes on with %q, or did not end well: %v", log.Text(), log.Err())
	}
	if diff := cmp.Diff([]string{"container=main&follow=true&tailLines=1"}, pods.queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

// An execution that is deleted prints nothing more.
func TestFollowLogsOfADeletedExecution(t *testing.T) {
	api, pods := newFakeAPIServerWithPods(t, newPod("a", 1))
	pods.logs["a/main"] = "a\n"
	log := followLogs(t, start(t, api.server(t, testOptions())), "")
	log.wants("a")
	api.Remove(stored)
	if log.Scan() || log.Err() != nil {
		t.Errorf("the log goes on with %q, or did not end well: %v", log.Text(), log.Err())
	}
}

// What is not whole must not look as if it were.
func TestFollowedLogsThatAreCut(t *testing.T) {
	for reason, cut := range map[string]func(r *running, api *fakeAPIServer, pods *fakePods){
		"this server stops": func(r *running, _ *fakeAPIServer, _ *fakePods) { r.stop() },
		"the API server goes away": func(_ *running, api *fakeAPIServer, pods *fakePods) {
			api.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
				apitest.AnswerError(w, apierrors.NewServiceUnavailable("x"))
				return true
			}
			pods.change(func() {})
		},
		"the node goes away": func(_ *running, _ *fakeAPIServer, pods *fakePods) {
			pods.change(func() {
				pods.pods = append(pods.pods, newPod("b", 0))
				pods.onLog = func(w http.ResponseWriter, _ *http.Request) bool {
					_, _ = io.WriteString(w, "half a l")
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				}
			})
		},
	} {
		t.Run(reason, func(t *testing.T) {
			api, pods := newFakeAPIServerWithPods(t, newPod("a", 1))
			pods.logs["a/main"] = "a\n"
			r := start(t, api.server(t, testOptions()))
			log := followLogs(t, r, "")
			log.wants("a")
			cut(r, api, pods)
			for log.Scan() {
			}
			if !errors.Is(log.Err(), io.ErrUnexpectedEOF) {
				t.Errorf("the log ended with %v", log.Err())
			}
		})
	}
}

// A caller that hangs up frees its place, and so does one that does not read.
func TestFollowedLogsNeedACaller(t *testing.T) {
	api, pods := newFakeAPIServerWithPods(t, newPod("a", 1))
	pods.logs["a/main"] = "a\n"
	s := api.server(t, testOptions())
	r := start(t, s)
	ctx, hangUp := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+logsPath+"?follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	hangUp()
	r.stop()
	if err := <-r.stopped; err != nil {
		t.Fatal(err)
	}
	if s.waiters.places.Taken() > 0 {
		t.Error("a place is still taken")
	}
}
