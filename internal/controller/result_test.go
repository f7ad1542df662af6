package controller

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

type result = dispatcherv1alpha1.JobExecutionResult

// besides adds a container to newPod's, before its own, that ended too.
func besides(name string, code int32, reason string, seconds int) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		status := newPod(exited(code, reason, "", seconds)).Status.ContainerStatuses[0]
		status.Name = name
		pod.Status.ContainerStatuses = append([]corev1.ContainerStatus{status}, pod.Status.ContainerStatuses...)
	}
}

// retried makes a pod whose container failed and will be started again.
func retried(code int32, seconds int) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		last := newPod(exited(code, "Error", "last words", seconds)).Status.ContainerStatuses[0].State
		stuck("CrashLoopBackOff", "back-off 10s")(pod)
		pod.Status.ContainerStatuses[0].LastTerminationState = last
	}
}

func podFailed(reason, message string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, reason, message
	}
}

// disrupted makes a pod that was evicted, preempted or removed with its node 9 seconds after testTime.
func disrupted(reason string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, Message: "make room",
			LastTransitionTime: at(9),
		})
	}
}

func TestResult(t *testing.T) {
	y, z := podNamed("run-y"), podNamed("run-z")
	bare := func(phase corev1.PodPhase) func(*corev1.Pod) {
		return func(pod *corev1.Pod) { pod.Status = corev1.PodStatus{Phase: phase} }
	}
	overdue := failed(batchv1.JobReasonDeadlineExceeded)
	exhausted := failed(batchv1.JobReasonBackoffLimitExceeded)
	for _, test := range []struct {
		reason string
		job    func(*batchv1.Job)
		pods   []*corev1.Pod
		want   *result
	}{
		{"no pod, no result", complete, nil, nil},
		{"a success with its last words", complete, []*corev1.Pod{newPod(exited(0, "Completed", "42", 9))},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(0)), Reason: "Completed", Message: "42"}},
		{"of several the last", complete,
			[]*corev1.Pod{newPod(y, exited(0, "Completed", "2", 9)), newPod(exited(0, "Completed", "1", 8)), newPod(z, exited(1, "Error", "", 10))},
			&result{Pod: "run-y", Container: "hello", ExitCode: new(int32(0)), Reason: "Completed", Message: "2"}},
		{"of its containers the one with a message", complete,
			[]*corev1.Pod{newPod(exited(0, "Completed", "42", 9), besides("first", 0, "Completed", 8))},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(0)), Reason: "Completed", Message: "42"}},
		{"or else the first", complete,
			[]*corev1.Pod{newPod(exited(0, "Completed", "", 9), besides("first", 0, "Completed", 8))},
			&result{Pod: "run-x", Container: "first", ExitCode: new(int32(0)), Reason: "Completed"}},
		{"a success without a word of the kubelet", complete, []*corev1.Pod{newPod(bare(corev1.PodSucceeded))},
			&result{Pod: "run-x"}},
		{"a success has no failed pod", complete, []*corev1.Pod{newPod(exited(1, "Error", "", 9))}, nil},

		{"a pod was evicted", exhausted,
			[]*corev1.Pod{newPod(exited(143, "Error", "", 10), stopped, disrupted("EvictionByEvictionAPI"))},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(143)), Reason: "EvictionByEvictionAPI", Message: "make room"}},
		{"a pod was preempted before it started", exhausted,
			[]*corev1.Pod{newPod(unschedulable("no room"), stopped, disrupted("PreemptionByScheduler"))},
			&result{Pod: "run-x", Reason: "PreemptionByScheduler", Message: "make room"}},
		{"the node of a pod was lost", exhausted,
			[]*corev1.Pod{newPod(exited(137, "ContainerStatusUnknown", "", 9), disrupted("DeletionByTaintManager"))},
			&result{Pod: "run-x", Reason: "DeletionByTaintManager", Message: "make room"}},
		{"a pod failed by itself before it was evicted", exhausted,
			[]*corev1.Pod{newPod(exited(3, "Error", "", 8), disrupted("EvictionByEvictionAPI"))},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(3)), Reason: "Error"}},
		{"another pod failed by itself after that", exhausted,
			[]*corev1.Pod{newPod(exited(137, "Error", "", 9), disrupted("EvictionByEvictionAPI")), newPod(y, exited(4, "Error", "", 20))},
			&result{Pod: "run-y", Container: "hello", ExitCode: new(int32(4)), Reason: "Error"}},
		{"the kubelet's own word is kept", exhausted,
			[]*corev1.Pod{newPod(podFailed("Evicted", "low on memory"), disrupted("TerminationByKubelet"))},
			&result{Pod: "run-x", Reason: "Evicted", Message: "low on memory"}},

		{"a failure with its last words", exhausted, []*corev1.Pod{newPod(exited(3, "Error", "no disk", 9))},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(3)), Reason: "Error", Message: "no disk"}},
		{"of several tries the last", exhausted,
			[]*corev1.Pod{newPod(y, exited(4, "Error", "", 9)), newPod(exited(3, "Error", "", 8)), newPod(z, exited(0, "Completed", "", 10))},
			&result{Pod: "run-y", Container: "hello", ExitCode: new(int32(4)), Reason: "Error"}},
		{"of its containers the one that failed", exhausted,
			[]*corev1.Pod{newPod(exited(3, "Error", "", 9), besides("first", 0, "Completed", 8))},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(3)), Reason: "Error"}},
		{"and failed first", exhausted,
			[]*corev1.Pod{newPod(exited(3, "Error", "", 9), besides("sidecar", 143, "Error", 10))},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(3)), Reason: "Error"}},
		{"unless memory ran out", exhausted,
			[]*corev1.Pod{newPod(exited(137, "OOMKilled", "", 10), besides("first", 1, "Error", 9))},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(137)), Reason: "OOMKilled"}},
		{"a pod that was evicted is not its containers' fault", exhausted,
			[]*corev1.Pod{newPod(exited(137, "Error", "", 9), podFailed("Evicted", "low on memory"))},
			&result{Pod: "run-x", Reason: "Evicted", Message: "low on memory"}},
		{"a pod that was never let in", exhausted, []*corev1.Pod{newPod(podFailed("OutOfcpu", "no room"))},
			&result{Pod: "run-x", Reason: "OutOfcpu", Message: "no room"}},
		{"a failure without a word of the kubelet", exhausted, []*corev1.Pod{newPod(bare(corev1.PodFailed))},
			&result{Pod: "run-x"}},
		{"a container that is tried again in its pod, which the Job deletes", exhausted,
			[]*corev1.Pod{newPod(retried(3, 8), stopped)},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(3)), Reason: "Error", Message: "last words"}},

		{"a deadline ends what runs", overdue, []*corev1.Pod{newPod(exited(143, "Error", "", 10), stopped)},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(143)), Reason: "Error"}},
		{"a deadline ends what never ran", overdue,
			[]*corev1.Pod{newPod(stuck("ErrImagePull", "not found"), stopped)},
			&result{Pod: "run-x", Container: "hello", Reason: "ImagePullBackOff", Message: "not found"}},
		{"a deadline ends what no node has room for", overdue,
			[]*corev1.Pod{newPod(unschedulable("0/3 nodes"), stopped)},
			&result{Pod: "run-x", Reason: "Unschedulable", Message: "0/3 nodes"}},
		{"who failed tells more than who was deleted for that", exhausted,
			[]*corev1.Pod{newPod(exited(3, "Error", "", 8)), newPod(y, exited(143, "Error", "", 10), stopped)},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(3)), Reason: "Error"}},
		{"even within one second", exhausted,
			[]*corev1.Pod{newPod(exited(3, "Error", "", 9)), newPod(y, exited(137, "Error", "", 9), stopped)},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(3)), Reason: "Error"}},
		{"a container that failed in the second of the deletion failed by itself", exhausted,
			[]*corev1.Pod{newPod(exited(3, "Error", "", 9), stopped), newPod(y, exited(143, "Error", "", 10), stopped)},
			&result{Pod: "run-x", Container: "hello", ExitCode: new(int32(3)), Reason: "Error"}},
		{"who never started tells more than who was stopped", overdue,
			[]*corev1.Pod{newPod(stuck("ErrImagePull", "")), newPod(y, exited(143, "Error", "", 10), stopped)},
			&result{Pod: "run-x", Container: "hello", Reason: "ImagePullBackOff"}},
		{"what the kubelet lost tells least", exhausted,
			[]*corev1.Pod{newPod(exited(137, containerLost, "", 12)), newPod(y, exited(143, "Error", "", 10), stopped)},
			&result{Pod: "run-y", Container: "hello", ExitCode: new(int32(143)), Reason: "Error"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if diff := cmp.Diff(test.want, resultOfJob(newJob(test.job), test.pods, nil)); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// What a pod said is remembered for as long as it may be needed: until it starts, or for good if it goes.
func TestPodOutcomes(t *testing.T) {
	pull := newPod(stuck("ErrImagePull", "not found"))
	for _, test := range []struct {
		reason  string
		states  []*corev1.Pod
		deleted bool
		want    string
	}{
		{"a pod that is blocked may be deleted", []*corev1.Pod{pull}, false, "ImagePullBackOff"},
		{"it tells the same while it is", []*corev1.Pod{pull, newPod(stuck("ErrImagePull", "not found"), stopped)},
			true, "ImagePullBackOff"},
		{"the kubelet forgets", []*corev1.Pod{pull, newPod(exited(137, containerLost, "", 10), stopped)}, true,
			"ImagePullBackOff"},
		{"it starts after all", []*corev1.Pod{pull, newPod()}, false, ""},
		{"it starts, and is stopped", []*corev1.Pod{pull, newPod(), newPod(exited(143, "Error", "", 10), stopped)},
			true, "Error"},
		{"it starts, and fails, and stays", []*corev1.Pod{pull, newPod(), newPod(exited(3, "Error", "", 9))}, false,
			""},
		{"it fails, and somebody deletes it", []*corev1.Pod{newPod(exited(3, "Error", "", 9))}, true, "Error"},
		{"another one starts", []*corev1.Pod{pull, newPod(podNamed("run-y"))}, false, "ImagePullBackOff"},
		{"one that succeeded tells nothing", []*corev1.Pod{newPod(exited(0, "Completed", "", 9))}, true, ""},
		{"one that nothing controls is nobody's",
			[]*corev1.Pod{newPod(stuck("ErrImagePull", ""), func(pod *corev1.Pod) { pod.OwnerReferences = nil })}, true,
			""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			podOutcomes := newPodOutcomes()
			for _, pod := range test.states {
				podOutcomes.note(pod, false)
			}
			if test.deleted {
				podOutcomes.note(test.states[len(test.states)-1], true)
			}
			got := ""
			if known := podOutcomes.of(ownerKey{testKey.Namespace, "uid-of-run"}); known != nil {
				got = known.result.Reason
			}
			if got != test.want {
				t.Errorf("remembered %q, want %q", got, test.want)
			}
		})
	}
}

// What a pod said before its Job was suspended does not count after it was resumed.
func TestPodOutcomesBeforeSuspension(t *testing.T) {
	known := podFailure(newPod(stuck("ErrImagePull", "")))
	for seconds, want := range map[int]bool{1: true, 2: false} {
		job := newJob(failed("DeadlineExceeded"), func(job *batchv1.Job) { job.Status.StartTime = new(at(seconds)) })
		if got := resultOfJob(job, nil, known) != nil; got != want {
			t.Errorf("a pod of second 1 counts for a Job that started at %d: %v, want %v", seconds, got, want)
		}
	}
}

// A Job's end is written with the result, which is read past the cache only where the cache cannot have it.
func TestResultIsTakenOnce(t *testing.T) {
	const write, read = "patch status of JobExecution", "list PodList"
	ended := newPod(exited(3, "Error", "", 9))
	foreign := newPod(
		exited(4, "Error", "", 9),
		podNamed("run-y"),
		func(pod *corev1.Pod) { pod.OwnerReferences[0].UID = "uid-of-earlier-job" },
	)
	for _, test := range []struct {
		reason         string
		server, cached []client.Object
		remembered     *corev1.Pod
		want           []string
		code           *int32
		why            string
	}{
		{"the cache has it", []client.Object{ended}, []client.Object{ended}, nil, []string{write}, new(int32(3)),
			"Error"},
		{"the cache has it as it was", []client.Object{ended}, []client.Object{newPod()}, nil, []string{read, write},
			new(int32(3)), "Error"},
		{"the cache does not have it", []client.Object{ended}, nil, nil, []string{read, write}, new(int32(3)), "Error"},
		{"nobody has it", nil, nil, nil, []string{read, write}, nil, ""},
		{"it is gone, and was seen", nil, nil, newPod(stuck("ErrImagePull", "")), []string{write}, nil,
			"ImagePullBackOff"},
		{"nobody has it, and one in another namespace names the same owner", nil, nil,
			newPod(stuck("ErrImagePull", ""), func(pod *corev1.Pod) { pod.Namespace = "other" }), []string{read, write}, nil,
			""},
		{"it is gone, and the cache does not know yet", nil, []client.Object{newPod(stuck("ErrImagePull", ""))}, nil,
			[]string{read, write}, nil, "ImagePullBackOff"},
		{"the pods of an earlier Job do not count", []client.Object{foreign}, []client.Object{foreign}, nil,
			[]string{read, write}, nil, ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			both := []client.Object{
				newTemplate(),
				newExecution(ranWith(active)),
				newJob(failed("BackoffLimitExceeded")),
			}
			c := newLaggingCluster(t, store(append(test.server, both...)...), store(append(test.cached, both...)...))
			if test.remembered != nil {
				c.reconciler.podOutcomes.note(test.remembered, true)
			}
			if diff := cmp.Diff(test.want, c.stepUnseen()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			var code *int32
			why := ""
			if got := c.execution().Status.Result; got != nil {
				code, why = got.ExitCode, got.Reason
			}
			if diff := cmp.Diff(test.code, code); diff != "" || why != test.why {
				t.Errorf("reason %q, want %q, exit code (-want +got):\n%s", why, test.why, diff)
			}
			if got := c.summary().Reason; got != "BackoffLimitExceeded" {
				t.Errorf("reason = %s, want BackoffLimitExceeded", got)
			}
		})
	}
}

func TestSanitized(t *testing.T) {
	for _, test := range []struct{ reason, text, want string }{
		{"short", "word", "word"},
		{"just fits", strings.Repeat("x", maxResultMessage), strings.Repeat("x", maxResultMessage)},
		{"too long", strings.Repeat("x", maxResultMessage+1), strings.Repeat("x", maxResultMessage)},
		{"a character at the end is whole", "x" + strings.Repeat("é", maxResultMessage/2),
			"x" + strings.Repeat("é", maxResultMessage/2-1)},
		{"bytes that are no text are marked", "a\xffb", "a\uFFFDb"},
	} {
		got := sanitized(test.text)
		if got != test.want || !utf8.ValidString(got) || len(got) > maxResultMessage {
			t.Errorf("%s: %d bytes %.20q, want %d bytes", test.reason, len(got), got, len(test.want))
		}
	}
}
