package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"dispatcher.ivan.vc/internal/httpapi/apitest"
)

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
