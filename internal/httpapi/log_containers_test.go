package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// podWith returns a pod with two init containers, a sidecar and two containers, of which these have run or wait.
func podWith(name string, age time.Duration, phase corev1.PodPhase, states ...containerIs) corev1.Pod {
	return newPod(name, age, func(pod *corev1.Pod) {
		always := corev1.ContainerRestartPolicyAlways
		pod.Spec.InitContainers = []corev1.Container{
			{Name: "proxy", RestartPolicy: &always}, {Name: "fetch"}, {Name: "check"},
		}
		pod.Status = corev1.PodStatus{Phase: phase}
		for _, is := range states {
			status := corev1.ContainerStatus{Name: is.name}
			is.state(&status)
			if is.name == "main" || is.name == "side" {
				pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
				continue
			}
			pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, status)
		}
	})
}

type containerIs struct {
	name  string
	state func(*corev1.ContainerStatus)
}

func runsNow(s *corev1.ContainerStatus) {
	s.ContainerID = "run-of-" + s.Name
	s.State.Running = &corev1.ContainerStateRunning{}
}

func exited(code int32) func(*corev1.ContainerStatus) {
	return func(s *corev1.ContainerStatus) {
		s.ContainerID = "run-of-" + s.Name
		s.State.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, ContainerID: s.ContainerID}
	}
}

func crashLoops(s *corev1.ContainerStatus) {
	s.ContainerID = "run-of-" + s.Name
	s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
	s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, ContainerID: s.ContainerID}
}

func restarted(s *corev1.ContainerStatus) {
	runsNow(s)
	s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, ContainerID: "earlier"}
}

func waits(reason string) func(*corev1.ContainerStatus) {
	return func(s *corev1.ContainerStatus) { s.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason} }
}

// resultOf ends the execution with a result.
func resultOf(pod, container string, exitCode *int32, message string) func(*dispatcherv1alpha1.JobExecution) {
	return func(e *dispatcherv1alpha1.JobExecution) {
		fails(e)
		if exitCode != nil && *exitCode == 0 {
			ends(e)
		}
		e.Status.Result = &dispatcherv1alpha1.JobExecutionResult{
			Pod: pod, Container: container, ExitCode: exitCode, Message: message,
		}
	}
}

func annotateSide(pod corev1.Pod) corev1.Pod {
	pod.Annotations = map[string]string{"kubectl.kubernetes.io/default-container": "side"}
	return pod
}

const failedPod, runningPod, pendingPod, succeededPod = corev1.PodFailed, corev1.PodRunning, corev1.PodPending, corev1.PodSucceeded

// Where no container is named, the log is that of the container that tells most.
func TestTheContainerOfALog(t *testing.T) {
	initFailed := []containerIs{{"proxy", exited(143)}, {"fetch", exited(0)}, {"check", exited(3)}, {"main", waits("PodInitializing")}}
	unchanged := func(*dispatcherv1alpha1.JobExecution) {}
	for _, test := range []struct {
		reason string
		pods   []corev1.Pod
		change func(*dispatcherv1alpha1.JobExecution)
		want   string // the logs, by pod and container
	}{
		{"a failed init container that the result names", []corev1.Pod{podWith("a", 0, failedPod, initFailed...)},
			resultOf("a", "check", new(int32(3)), ""), "a/check "},
		{"a failed init container before there is a result", []corev1.Pod{podWith("a", 0, failedPod, initFailed...)},
			unchanged, "a/check "},
		{"an init container that is tried again", []corev1.Pod{podWith("a", 0, pendingPod,
			containerIs{"fetch", exited(0)}, containerIs{"check", crashLoops}, containerIs{"main", waits("PodInitializing")})},
			unchanged, "a/check "},
		{"an init container that runs", []corev1.Pod{podWith("a", 0, pendingPod,
			containerIs{"proxy", runsNow}, containerIs{"fetch", runsNow}, containerIs{"main", waits("PodInitializing")})},
			unchanged, "a/fetch "},
		{"a sidecar where nothing else runs", []corev1.Pod{podWith("a", 0, pendingPod,
			containerIs{"proxy", runsNow}, containerIs{"main", waits("ImagePullBackOff")})}, unchanged, "a/proxy "},
		{"the first container that ran", []corev1.Pod{podWith("a", 0, runningPod,
			containerIs{"main", waits("ImagePullBackOff")}, containerIs{"side", runsNow})}, unchanged, "a/side "},
		{"the first container where all went well before", []corev1.Pod{podWith("a", 0, runningPod,
			containerIs{"fetch", exited(0)}, containerIs{"main", runsNow}, containerIs{"side", runsNow})}, unchanged, "a/main "},
		{"the first container while it runs, although another failed", []corev1.Pod{podWith("a", 0, runningPod,
			containerIs{"main", runsNow}, containerIs{"side", exited(1)})}, unchanged, "a/main "},
		{"another container that failed", []corev1.Pod{podWith("a", 0, failedPod,
			containerIs{"proxy", exited(143)}, containerIs{"main", exited(0)}, containerIs{"side", exited(1)})}, unchanged, "a/side "},
		{"of two that failed, the first container", []corev1.Pod{podWith("a", 0, failedPod,
			containerIs{"main", exited(1)}, containerIs{"side", exited(1)})}, unchanged, "a/main "},
		{"of two that failed, the one that the result names", []corev1.Pod{podWith("a", 0, failedPod,
			containerIs{"main", exited(1)}, containerIs{"side", exited(137)})},
			resultOf("a", "side", new(int32(137)), ""), "a/side "},
		{"the result of a failure counts more than the annotation", []corev1.Pod{annotateSide(podWith("a", 0, failedPod,
			containerIs{"main", exited(1)}, containerIs{"side", exited(1)}))},
			resultOf("a", "main", new(int32(1)), ""), "a/main "},
		{"a success: the first container", []corev1.Pod{podWith("a", 0, succeededPod,
			containerIs{"main", exited(0)}, containerIs{"side", exited(0)})}, resultOf("a", "side", new(int32(0)), ""), "a/main "},
		{"a success: the container that left a message", []corev1.Pod{podWith("a", 0, succeededPod,
			containerIs{"main", exited(0)}, containerIs{"side", exited(0)})}, resultOf("a", "side", new(int32(0)), "x"), "a/side "},
		{"a success: but the annotation counts more", []corev1.Pod{annotateSide(podWith("a", 0, succeededPod,
			containerIs{"main", exited(0)}, containerIs{"side", exited(0)}))}, resultOf("a", "main", new(int32(0)), "x"), "a/side "},
		{"a success: a sidecar that was stopped did not fail", []corev1.Pod{podWith("a", 0, succeededPod,
			containerIs{"proxy", exited(137)}, containerIs{"main", exited(0)})}, unchanged, "a/main "},
		{"each of several pods has its own", []corev1.Pod{
			podWith("a", 3, failedPod, initFailed...),
			podWith("b", 2, succeededPod, containerIs{"check", exited(0)}, containerIs{"main", exited(0)}),
			podWith("c", 1, failedPod, containerIs{"check", exited(0)}, containerIs{"main", exited(0)}, containerIs{"side", exited(2)}),
			podWith("d", 0, pendingPod, containerIs{"main", waits("ContainerCreating")}),
		}, resultOf("a", "check", new(int32(3)), ""), "a/check b/main c/side "},
		{"a result of a pod that was removed", []corev1.Pod{podWith("a", 0, failedPod, containerIs{"main", exited(1)})},
			resultOf("x", "side", new(int32(1)), ""), "a/main "},
		{"a result without a container", []corev1.Pod{podWith("a", 0, failedPod, containerIs{"main", exited(137)})},
			resultOf("a", "", nil, ""), "a/main "},
	} {
		for _, query := range []string{"", "?tailLines=5", "?follow=true"} {
			api, pods := newFakeAPIServerWithPods(t, test.pods...)
			api.Change(stored, test.change)
			if query == "?follow=true" {
				api.Change(stored, func(e *dispatcherv1alpha1.JobExecution) {
					if !e.IsFinished() {
						fails(e)
					}
				})
			}
			for i := range test.pods {
				for _, container := range containerNames(&test.pods[i]) {
					log := test.pods[i].Name + "/" + container
					pods.logs[log] = log + " "
				}
			}
			response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodGet, logsPath+query, nil))
			body, _ := io.ReadAll(response.Body)
			if diff := cmp.Diff(test.want, string(body)); diff != "" || response.StatusCode != http.StatusOK {
				t.Errorf("%s %s: %d (-want +got):\n%s", test.reason, query, response.StatusCode, diff)
			}
		}
	}
}

// A container that wrote nothing has an empty log. Where there is none, the answer says why and what there is.
func TestLogsThatDoNotExist(t *testing.T) {
	unschedulable := podWith("a", 0, pendingPod)
	unschedulable.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "no such payload"},
	}
	unchanged := func(*dispatcherv1alpha1.JobExecution) {}
	for _, test := range []struct {
		reason, query string
		pods          []corev1.Pod
		change        func(*dispatcherv1alpha1.JobExecution)
		wants         []string // parts of the detail
		others        bool     // there are containers to ask for
	}{
		{"no pod yet", "", nil, unchanged, []string{"no pod"}, false},
		{"a pod of another Job", "", []corev1.Pod{newPod("a", 0, foreign)}, unchanged, []string{"no pod"}, false},
		{"one that is not scheduled", "", []corev1.Pod{unschedulable}, unchanged, []string{`"main"`, `"a"`, "Unschedulable"}, false},
		{"an image that cannot be pulled", "", []corev1.Pod{podWith("a", 0, pendingPod,
			containerIs{"main", waits("ImagePullBackOff")})}, unchanged, []string{`"main"`, "ImagePullBackOff"}, false},
		{"a volume that cannot be mounted", "", []corev1.Pod{podWith("a", 0, pendingPod,
			containerIs{"main", waits("ContainerCreating")})},
			summary("Unknown", dispatcherv1alpha1.ReasonFailedMount), []string{"FailedMount"}, false},
		{"the named one, while an init container runs", "?container=main", []corev1.Pod{podWith("a", 0, pendingPod,
			containerIs{"fetch", runsNow}, containerIs{"main", waits("PodInitializing")})}, unchanged,
			[]string{`"main"`, "PodInitializing", "fetch"}, true},
		{"the named one, which never ran", "?container=main", []corev1.Pod{podWith("a", 0, failedPod,
			containerIs{"fetch", exited(3)}, containerIs{"main", waits("PodInitializing")})},
			resultOf("a", "fetch", new(int32(3)), ""), []string{`"main"`, "never started", "fetch"}, true},
		{"the one of the result, which never ran", "", []corev1.Pod{podWith("a", 0, failedPod,
			containerIs{"fetch", exited(0)}, containerIs{"main", waits("ImagePullBackOff")})},
			resultOf("a", "main", nil, ""), []string{`"main"`, "never started", "fetch"}, true},
		{"followed, when it is over", "?follow=true", []corev1.Pod{podWith("a", 0, failedPod,
			containerIs{"main", waits("ImagePullBackOff")})}, fails, []string{"never started"}, false},
		{"a run before the first", "?previous=true", []corev1.Pod{podWith("a", 0, runningPod,
			containerIs{"main", runsNow})}, unchanged, []string{"no previous log"}, false},
		{"a run before the first, of another container", "?previous=true&container=main", []corev1.Pod{podWith("a", 0, runningPod,
			containerIs{"main", runsNow}, containerIs{"side", restarted})}, unchanged, []string{"no previous log", "side"}, true},
		{"a log that the kubelet has removed", "", []corev1.Pod{podWith("gone", 0, runningPod, containerIs{"main", runsNow})},
			unchanged, []string{"cannot be read"}, false},
		{"many pods", "", []corev1.Pod{podWith("a", 5, pendingPod), podWith("b", 4, pendingPod), podWith("c", 3, pendingPod),
			podWith("d", 2, pendingPod), podWith("e", 1, pendingPod)}, unchanged, []string{`"a"`, `"c"`, "2 more"}, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			api, pods := newFakeAPIServerWithPods(t, test.pods...)
			api.Change(stored, test.change)
			for i := range test.pods {
				for _, container := range containerNames(&test.pods[i]) {
					pods.logs[test.pods[i].Name+"/"+container] = ""
				}
			}
			delete(pods.logs, "gone/main")
			if method == http.MethodHead && test.reason == "a log that the kubelet has removed" {
				continue // Only its log tells.
			}
			recorder := httptest.NewRecorder()
			api.server(t, testOptions()).http.Handler.
				ServeHTTP(recorder, httptest.NewRequest(method, logsPath+test.query, nil))
			got := problemOf(t, recorder.Result())
			if got.Status != http.StatusNotFound || got.Reason != problem.NoLog || test.others != (len(got.Errors) > 0) {
				t.Errorf("%s: got %+v", test.reason, got)
			}
			for _, want := range append(test.wants, "/executions/default/n ") {
				if !strings.Contains(got.Detail, want) {
					t.Errorf("%s: %q does not tell %q", test.reason, got.Detail, want)
				}
			}
			if strings.Contains(got.Detail, "payload") {
				t.Errorf("%s: %q is for those who may read the execution", test.reason, got.Detail)
			}
		}
	}
}

func TestPreviousLogs(t *testing.T) {
	api, pods := newFakeAPIServerWithPods(t,
		podWith("a", 1, runningPod, containerIs{"main", restarted}), podWith("b", 0, runningPod, containerIs{"main", runsNow}))
	pods.logs["a/main"], pods.logs["b/main"] = "a", "b"
	response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodGet, logsPath+"?previous=true", nil))
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK || string(body) != "a" {
		t.Errorf("got %d %q", response.StatusCode, body)
	}
	if diff := cmp.Diff([]string{"container=main&previous=true"}, pods.queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

// An init container that fails is followed, one that does well is not, and a failure at the end is not added to the log
// that was followed.
func TestFollowLogsThroughInitContainers(t *testing.T) {
	api, pods := newFakeAPIServerWithPods(t, podWith("a", 0, pendingPod, containerIs{"fetch", runsNow}))
	pods.logs["a/fetch"], pods.logs["a/check"], pods.logs["a/main"], pods.logs["a/side"] = "fetch\n", "check\n", "main\n", "side\n"
	log := followLogs(t, start(t, api.server(t, testOptions())), "")
	set := func(states ...containerIs) {
		pods.change(func() { pods.pods[0] = podWith("a", 0, runningPod, states...) })
	}
	set(containerIs{"fetch", exited(0)}, containerIs{"check", crashLoops})
	log.wants("check")
	set(containerIs{"fetch", exited(0)}, containerIs{"check", exited(0)}, containerIs{"main", runsNow}, containerIs{"side", runsNow})
	log.wants("main")
	pods.mutex.Lock()
	pods.pods[0] = podWith("a", 0, failedPod, containerIs{"main", exited(0)}, containerIs{"side", exited(1)})
	pods.mutex.Unlock()
	api.Change(stored, resultOf("a", "side", new(int32(1)), ""))
	if log.Scan() || log.Err() != nil {
		t.Errorf("the log goes on with %q, or did not end well: %v", log.Text(), log.Err())
	}
}
