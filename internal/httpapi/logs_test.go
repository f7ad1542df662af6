package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

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
		{"a label makes no pod one of the Job", "", []corev1.Pod{newPod("b", 0, foreign), newPod("a", 0)}, "a/main\n",
			[]string{"container=main"}},
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
		wantField     string // of the first error, where it matters
		wantDetail    string // a part of it, or of the error of a field
	}{
		{reason: "an unknown parameter", query: "?stream=All", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "follow"},
		{reason: "follow is yes or no", query: "?follow=1", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "true or false"},
		{reason: "so are timestamps", query: "?timestamps", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "true or false"},
		{reason: "and the previous run", query: "?previous", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "true or false"},
		{reason: "which cannot be followed", query: "?previous=true&follow=true", wantStatus: 400,
			wantReason: problem.InvalidRequest, wantField: "previous"},
		{reason: "lines are a number", query: "?tailLines=-1", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "at least 0"},
		{reason: "seconds too", query: "?sinceSeconds=0", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantDetail: "at least 1"},
		{reason: "no name", query: "?container=", wantStatus: 400, wantReason: problem.InvalidRequest},
		{reason: "a container that there is not", query: "?container=x", wantStatus: 400,
			wantReason: problem.InvalidRequest, wantDetail: "main, side, init"},
		{reason: "even when followed", query: "?container=x&follow=true", wantStatus: 400,
			wantReason: problem.InvalidRequest, wantDetail: "main, side, init"},
		{reason: "a pod that there is not", query: "?pod=x", wantStatus: 400, wantReason: problem.InvalidRequest,
			wantField: "pod", wantDetail: "it has a"},
		{reason: "a pod that there is not, followed", query: "?pod=x&follow=true", wantStatus: 400,
			wantReason: problem.InvalidRequest, wantField: "pod", wantDetail: "it has a"},
		{reason: "a pod where there is none yet", query: "?pod=x", change: func(_ *fakeAPIServer, pods *fakePods) {
			pods.pods = nil
		}, wantStatus: 404, wantReason: problem.NoLog},
		{reason: "the pods of another are not its own", query: "?pod=x", change: func(_ *fakeAPIServer, pods *fakePods) {
			pods.pods = append(pods.pods, newPod("x", 0, foreign))
		}, wantStatus: 400, wantReason: problem.InvalidRequest, wantField: "pod"},
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
			if test.wantField != "" && (len(got.Errors) == 0 || got.Errors[0].Field != test.wantField) {
				t.Errorf("errors %+v do not name %s", got.Errors, test.wantField)
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
		api, pods := newFakeAPIServerWithPods(t, newPod("a", 0))
		pods.logs["a/main"] = "x"
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
