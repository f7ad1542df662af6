package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
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
