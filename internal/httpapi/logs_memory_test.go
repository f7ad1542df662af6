package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// largePod is a pod with a variable of 1 MiB, as JSON.
func largePod(t *testing.T) []byte {
	t.Helper()
	pod := newPod("n", 1, notStarted)
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	for range 4 {
		pod.Spec.Containers[0].Env = append(pod.Spec.Containers[0].Env, corev1.EnvVar{Name: "A", Value: largePayload})
	}
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// allocated is what was allocated in all since the process began, in MiB.
func allocated() int {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.TotalAlloc >> 20)
}

// However many pods an execution has, and however large they are, a call for its logs has one of them in memory.
func TestPodsAreReadOneByOne(t *testing.T) {
	const pods = 30
	api, _ := newFakeAPIServerWithPods(t)
	pod := largePod(t)
	middle := 0
	api.OnPods = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[`)
		for i := range pods {
			if i > 0 {
				_, _ = io.WriteString(w, ",")
			}
			_, _ = w.Write(pod)
		}
		middle = mebibytes() // All but what is on its way was read.
		_, _ = io.WriteString(w, "]}")
	}
	before := mebibytes()
	r := start(t, api.server(t, testOptions()))
	response, err := http.Get("http://" + r.address + logsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound || middle-before > 15 {
		t.Errorf("status %d, with %d MiB for %d pods of 1 MiB", response.StatusCode, middle-before, pods)
	}
}

// Those who follow the logs of an execution are told that its pod has changed, and do not read it all at once.
func TestChangesOfPodsAreNotRead(t *testing.T) {
	const followers = 100
	api, fake := newFakeAPIServerWithPods(t)
	pod := largePod(t)
	watching, change := make(chan struct{}, 3*followers), make(chan struct{})
	var watches atomic.Int32
	api.OnPods = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			fake.serve(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		watching <- struct{}{}
		if watches.Add(1) <= followers {
			<-change
			_, _ = io.WriteString(w, `{"type":"MODIFIED","object":`)
			_, _ = w.Write(pod)
			_, _ = io.WriteString(w, "}")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}
	r := start(t, api.server(t, testOptions()))
	for range followers {
		response, err := http.Get("http://" + r.address + logsPath + "?follow=true")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		<-watching
	}
	before := allocated()
	close(change)
	for range followers {
		<-watching // again
	}
	if more := allocated() - before; more > followers {
		t.Errorf("%d MiB were allocated for %d followers of a pod of 1 MiB", more, followers)
	}
}
