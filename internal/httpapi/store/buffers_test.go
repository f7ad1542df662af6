package store

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/objectcache"
)

// A log that is not read waits at the node, and not in this process.
func TestLogsThatAreNotReadAreNotKept(t *testing.T) {
	var written atomic.Int64
	full := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
		for range 16 << 10 {
			if n, err := w.Write(make([]byte, 1<<10)); err != nil {
				break
			} else if written.Add(int64(n)); http.NewResponseController(w).Flush() != nil {
				break
			}
		}
		close(full)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	config := &rest.Config{Host: server.URL, QPS: -1, TLSClientConfig: rest.TLSClientConfig{
		CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(config, client, apitest.Scheme(t), apitest.New(t).Cache(), objectcache.New(), testConcurrentCreates,
		logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p"}}
	log, err := s.Log(t.Context(), pod, "main", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	<-full
	if got := written.Load(); got > 1<<20 {
		t.Errorf("%d bytes were taken of a log that nobody reads", got)
	}
}

// A call that follows a log keeps no payload, which the pod's variables often have.
func TestPodsAreStripped(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "p",
			Annotations: map[string]string{"a": "large", DefaultContainerAnnotation: "c"},
		},
		Spec: corev1.PodSpec{
			Containers:     []corev1.Container{{Name: "c", Env: []corev1.EnvVar{{Name: "PAYLOAD", Value: "large"}}}},
			InitContainers: []corev1.Container{{Name: "i", Args: []string{"large"}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{
			Name:        "c",
			ContainerID: "id",
			State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{Message: "large"},
				Waiting:    &corev1.ContainerStateWaiting{Message: "large"},
			},
		}}},
	}
	kept := stripPod(pod)
	text, err := kept.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 250 || strings.Contains(string(text), "large") || kept.Spec.Containers[0].Name != "c" || kept.Spec.InitContainers[0].Name != "i" ||
		kept.Status.ContainerStatuses[0].ContainerID != "id" || kept.Status.Phase != corev1.PodFailed ||
		kept.Annotations[DefaultContainerAnnotation] != "c" {
		t.Errorf("%d bytes: %+v", len(text), kept)
	}
}
