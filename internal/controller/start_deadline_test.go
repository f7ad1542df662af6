package controller

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// startIn makes a template whose executions have to start within some seconds.
func startIn(seconds int32) func(*dispatcherv1alpha1.JobTemplate) {
	return func(template *dispatcherv1alpha1.JobTemplate) { template.Spec.StartDeadlineSeconds = &seconds }
}

// startedIn makes a Job that was rendered from such a template.
func startedIn(seconds int) func(*batchv1.Job) {
	return func(job *batchv1.Job) {
		job.Annotations[dispatcherv1alpha1.AnnotationStartDeadline] = strconv.Itoa(seconds)
	}
}

const (
	exceeded = dispatcherv1alpha1.ReasonStartDeadlineExceeded
	readJobs = "get Job"
	readPods = "list PodList"
	delJob   = "delete Job"
)

// Whatever an execution with a Job waits for, it ends at its start deadline, and its Job goes. One that has started by
// then, in whatever way that is known, goes on.
func TestStartDeadline(t *testing.T) {
	ends := []string{readJobs, readPods, writeStatus}
	failedOnce := func(job *batchv1.Job) { job.Status.StartTime, job.Status.Failed = new(at(0)), 1 }
	isReady := func(job *batchv1.Job) { active(job); job.Status.Ready = new(int32(1)) }
	for _, test := range []struct {
		reason   string
		job      []func(*batchv1.Job)
		pods     []*corev1.Pod
		was      string // A part of the status before the deadline.
		deadline []string
		want     string // The reason after it, and a part of the message.
	}{
		{"no pod", nil, nil, "has no pod yet", ends, exceeded + " has no pod yet"},
		{"a suspended Job", []func(*batchv1.Job){suspended}, nil, "is suspended", ends, exceeded + " is suspended"},
		{"no node", []func(*batchv1.Job){active}, []*corev1.Pod{newPod(unschedulable("no node"))}, "no node", ends,
			exceeded + " no node"},
		{"no image", []func(*batchv1.Job){active}, []*corev1.Pod{newPod(stuck("ErrImagePull", "no such image"))},
			"no such image", ends, exceeded + " no such image"},
		{"a pod is being created", []func(*batchv1.Job){active}, []*corev1.Pod{newPod(creating)},
			"no pod of Job run has started yet", ends, exceeded + " no pod of Job run has started yet"},
		{"no pods are wanted", []func(*batchv1.Job){withoutPods}, nil, "parallelism 0", ends, exceeded + " parallelism 0"},

		{"a pod runs", []func(*batchv1.Job){active}, []*corev1.Pod{newPod()}, "is running", nil, "Running "},
		{"an init container runs", []func(*batchv1.Job){active}, []*corev1.Pod{newPod(creating, func(pod *corev1.Pod) {
			pod.Status.InitContainerStatuses = newPod().Status.ContainerStatuses
		})}, "is running", nil, "Running "},
		{"a pod has failed", []func(*batchv1.Job){started}, []*corev1.Pod{newPod(exited(1, "Error", "", 2))},
			"has no pod yet", nil, "Waiting "},
		{"a pod has failed and is gone", []func(*batchv1.Job){failedOnce}, nil, "has no pod yet", nil, "Waiting "},
		{"a pod is ready, and the cache of pods lags", []func(*batchv1.Job){isReady}, nil, "is running", nil, "Running "},
		{"it has ended", []func(*batchv1.Job){complete}, nil, "completed", nil, "Succeeded "},
		{"its outcome is certain", []func(*batchv1.Job){announced(batchv1.JobFailureTarget)}, nil,
			"no pod of Job run has started yet", []string{readJobs, readPods}, "Waiting "},
	} {
		t.Run(test.reason, func(t *testing.T) {
			c := newCluster(t, newTemplate(), newExecution(), newJob(append(test.job, startedIn(8))...))
			for _, pod := range test.pods {
				c.make(pod.DeepCopy())
			}
			c.lookAfter(1)
			c.lookAfter(3)
			if calls := c.lookAfter(8.9); slices.Contains(calls, delJob) || c.summary().Reason == exceeded {
				t.Errorf("it ended early: %q", calls)
			}
			if got := c.summary().Message; !strings.Contains(got, test.was) {
				t.Errorf("message before = %q, want %q", got, test.was)
			}
			calls := slices.DeleteFunc(c.lookAfter(9), func(call string) bool { return call == listEvents })
			if !slices.Equal(test.deadline, calls) {
				diff := cmp.Diff(test.deadline, calls)
				t.Errorf("calls at the deadline (-want +got):\n%s", diff)
			}
			want, part, _ := strings.Cut(test.want, " ")
			if got := c.summary(); got.Reason != want || !strings.Contains(got.Message, part) {
				t.Errorf("%s %q, want %q", got.Reason, got.Message, test.want)
			}
			if want != exceeded {
				return
			}
			if diff := cmp.Diff([]string{delJob}, c.lookAfter(9.1)); diff != "" || len(c.jobs()) > 0 {
				t.Errorf("jobs = %q, calls after it (-want +got):\n%s", c.jobs(), diff)
			}
			if calls := c.lookAfter(10); len(calls) > 0 || c.summary().Reason != exceeded {
				t.Errorf("calls in the end = %q, want none", calls)
			}
			if events := c.events(); !slices.Contains(events, "Warning "+exceeded) {
				t.Errorf("events = %q, want one of the end", events)
			}
		})
	}
}

// Before the Job exists, the deadline is that of the template, and no Job is created after it.
func TestStartDeadlineWithoutAJob(t *testing.T) {
	t.Run("no leader", func(t *testing.T) {
		c := newCluster(t, newTemplate(startIn(60)), newExecution())
		calls := c.lookAfter(61)
		if got := c.summary(); got.Reason != exceeded || !strings.Contains(got.Message, "no leader") {
			t.Errorf("%s %q after %q", got.Reason, got.Message, calls)
		}
		c.lookAfter(62)
		if len(c.jobs()) > 0 || slices.Contains(calls, "create Job") {
			t.Errorf("jobs = %q, want none", c.jobs())
		}
	})
	t.Run("a quota", func(t *testing.T) {
		c := newCluster(t, newTemplate(startIn(60)), newExecution())
		c.createError = errQuota
		for _, seconds := range []float64{1, 20, 45, 59} {
			c.clock.SetTime(testTime.Add(time.Duration(seconds) * time.Second))
			result, _, err := c.reconcile()
			c.sync()
			if left := time.Duration(61-seconds) * time.Second; err != nil || result.RequeueAfter > max(left, time.Second) {
				t.Errorf("after %v s it is looked at after %v (%v), want at most %v", seconds, result.RequeueAfter, err, left)
			}
		}
		c.lookAfter(61)
		if got := c.summary(); got.Reason != exceeded || !strings.Contains(got.Message, "refuses to create the Job") {
			t.Errorf("%s %q, want the deadline and what it waited for", got.Reason, got.Message)
		}
	})
	t.Run("a Job that the cache does not show counts from its own template", func(t *testing.T) {
		c := newCluster(t, newTemplate(startIn(60)), newExecution())
		c.make(newJob(startedIn(600)))
		c.clock.SetTime(testTime.Add(61 * time.Second))
		c.stepUnseen()
		if got := c.summary().Reason; got == exceeded {
			t.Error("it ended by the deadline of the template of now")
		}
	})
	t.Run("a template without a deadline", func(t *testing.T) {
		c := newCluster(t, newTemplate(), newExecution())
		c.lookAfter(3600)
		if len(c.jobs()) != 1 {
			t.Errorf("jobs = %q, want one", c.jobs())
		}
	})
}

// A start counts for ever, whatever becomes of the pod, also for a process that has not seen it.
func TestAStartCountsForEver(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(active, startedIn(30)), newPod(creating))
	writes := slices.Concat(c.lookAfter(1), c.lookAfter(2))
	c.setPods(newPod())
	writes = append(writes, c.lookAfter(4)...)
	if diff := cmp.Diff([]string{writeStatus}, writes); diff != "" {
		t.Errorf("calls until it ran (-want +got):\n%s", diff)
	}
	if start := c.execution().Status.PodStartTime; start == nil || !start.Equal(new(at(2))) {
		t.Errorf("podStartTime = %v, want %v", start, at(2))
	}
	c.restart()
	c.setPods(newPod(podNamed("run-y"), unschedulable("no node")))
	c.lookAfter(29)
	c.lookAfter(31)
	if got := c.summary().Reason; got != "Unschedulable" {
		t.Errorf("reason = %s, want Unschedulable", got)
	}
}

// The pod starts just before the deadline, and the cache does not show it yet: there is one outcome.
func TestStartDeadlineAndStartRace(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(active, startedIn(8)), newPod(creating))
	c.lookAfter(3)
	c.setPods(newPod())
	c.clock.SetTime(testTime.Add(9 * time.Second))
	c.stepUnseen()
	if got := c.summary().Reason; got != "Running" || len(c.jobs()) != 1 {
		t.Errorf("reason = %s, jobs = %q, want Running", got, c.jobs())
	}

	t.Run("pods that cannot be read are read again", func(t *testing.T) {
		c := newCluster(t, newTemplate(), newExecution(), newJob(active, startedIn(8)), newPod(creating))
		c.lookAfter(3)
		c.answers = map[string]error{readPods: errors.New("no answer")}
		c.clock.SetTime(testTime.Add(9 * time.Second))
		if _, _, err := c.reconcile(); err == nil || c.summary().Reason == exceeded {
			t.Errorf("error %v, reason %s, want an error", err, c.summary().Reason)
		}
	})
	t.Run("another status was written meanwhile", func(t *testing.T) {
		c := newCluster(t, newTemplate(), newExecution(), newJob(active, startedIn(8)), newPod(creating))
		c.lookAfter(3)
		execution := c.execution()
		execution.Status = deriveStatus(execution, newJob(active, startedIn(8)), summaryOfPods([]*corev1.Pod{newPod()}))
		c.setStatus(execution)
		c.clock.SetTime(testTime.Add(9 * time.Second))
		c.stepUnseen()
		if got := c.summary().Reason; got != "Running" {
			t.Errorf("reason = %s, want Running", got)
		}
	})
}

// The execution comes back at its deadline, and the deadline only.
func TestStartDeadlineTimer(t *testing.T) {
	for _, test := range []struct {
		reason  string
		objects []client.Object
		want    time.Duration
	}{
		{"nothing else comes before", []client.Object{newJob(suspended, startedIn(30))}, 28 * time.Second},
		{"the first status", []client.Object{newJob(startedIn(30))}, 2 * time.Second},
		{"it runs", []client.Object{newJob(active, startedIn(30)), newPod()}, 0},
		{"the longest deadline", []client.Object{newJob(suspended, startedIn(math.MaxInt32))},
			(math.MaxInt32 - 2) * time.Second},
		{"it has no deadline", []client.Object{newJob(suspended)}, 0},
	} {
		c := newCluster(t, append(test.objects, newTemplate(), newExecution())...)
		c.clock.SetTime(testTime.Add(3 * time.Second))
		result, _, err := c.reconcile()
		if diff := cmp.Diff(ctrl.Result{RequeueAfter: test.want}, ctrl.Result{RequeueAfter: result.RequeueAfter}); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", test.reason, err, diff)
		}
	}
}
