package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// newEvent returns an event about an object, as the recorders of the Job controller and the kubelet write it.
func newEvent(uid types.UID, eventType, reason, note string, seconds int) *eventsv1.Event {
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         testKey.Namespace,
			Name:              fmt.Sprintf("%s.%s.%d", uid, strings.ToLower(reason), seconds),
			CreationTimestamp: at(seconds),
		},
		Type: eventType, Reason: reason, Note: note,
		Regarding:               corev1.ObjectReference{UID: uid, Namespace: testKey.Namespace},
		DeprecatedLastTimestamp: at(seconds),
	}
}

const (
	missingAccount = `Error creating: pods "run-x7f2k" is forbidden: serviceaccount "none" not found`
	missingSecret  = `MountVolume.SetUp failed for volume "v" : secret "none" not found`
)

func failedCreate(seconds int) *eventsv1.Event {
	return newEvent("uid-of-run", corev1.EventTypeWarning, "FailedCreate", missingAccount, seconds)
}

func failedMount() *eventsv1.Event {
	return newEvent("uid-of-pod", corev1.EventTypeWarning, "FailedMount", missingSecret, 2)
}

// started makes a Job whose pods cannot be created.
func started(job *batchv1.Job) { job.Status.StartTime = new(at(0)) }

// creating makes a pod that a node has, and that has not started.
func creating(pod *corev1.Pod) {
	stuck("ContainerCreating", "")(pod)
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: at(1)},
		{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionFalse, LastTransitionTime: at(1)},
	}
}

// ready makes a pod that has its volumes and its network, and whose image is being pulled.
func ready(pod *corev1.Pod) {
	creating(pod)
	pod.Status.Conditions[1].Status = corev1.ConditionTrue
}

const (
	listEvents  = "list EventList"
	writeStatus = "patch status of JobExecution"
)

// lookAfter sets the clock to some seconds after testTime, and reconciles.
func (c *cluster) lookAfter(seconds float64) []string {
	c.t.Helper()
	c.clock.SetTime(testTime.Add(time.Duration(seconds * float64(time.Second))))
	c.sync()
	return c.step()
}

func TestPodsThatCannotBeCreated(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(started), failedCreate(0))
	if calls := c.lookAfter(0.1); len(calls) > 0 {
		t.Errorf("calls at the start = %q, want none", calls)
	}
	if diff := cmp.Diff([]string{listEvents, writeStatus}, c.lookAfter(1.2)); diff != "" {
		t.Errorf("calls after a second (-want +got):\n%s", diff)
	}
	summary := c.summary()
	if summary.Reason != "PodsForbidden" || !strings.Contains(summary.Message, `serviceaccount "none" not found`) ||
		c.execution().Status.Job == nil || c.execution().State() != "waiting" {
		t.Errorf("status = %+v, want PodsForbidden with its cause and the Job", c.execution().Status)
	}
	if diff := cmp.Diff([]string{"Warning PodsForbidden"}, c.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	reads := 0
	for seconds := 2; seconds < 600; seconds += 1 + seconds/30 {
		calls := c.lookAfter(float64(seconds))
		if slices.Contains(calls, writeStatus) {
			t.Fatalf("calls after %d s = %q, want no write", seconds, calls)
		}
		reads += len(calls)
		if seconds == 2 {
			// Each try names another pod.
			again := failedCreate(2)
			again.Note = strings.ReplaceAll(again.Note, "x7f2k", "abcde")
			c.make(again)
		}
	}
	if reads > 10 || reads < 6 {
		t.Errorf("the events were read %d times in ten minutes, want about 9", reads)
	}

	other := newEvent("uid-of-run", corev1.EventTypeWarning, "FailedCreate", "Error creating: exceeded quota: q", 600)
	c.make(other)
	for seconds := 600; seconds < 1800; seconds += 60 {
		c.lookAfter(float64(seconds))
	}
	if got := c.summary().Message; !strings.Contains(got, "exceeded quota") {
		t.Errorf("message = %q, want the new cause", got)
	}

	c.make(newPod(creating, func(pod *corev1.Pod) { pod.CreationTimestamp = at(1800) }))
	if calls := c.lookAfter(1801); len(calls) > 0 || c.summary().Reason != "PodsForbidden" {
		t.Errorf("calls = %q, reason = %s before the Job counts its pod", calls, c.summary().Reason)
	}
	c.setJob(active)
	c.lookAfter(1802)
	if got := c.summary().Reason; got != "Running" {
		t.Errorf("reason with a pod = %s, want Running", got)
	}
}

func TestEventsOfAJob(t *testing.T) {
	byOther := func(job *batchv1.Job) { job.Spec.ManagedBy = new("example.com/other") }
	was := newPod(exited(1, "Error", "", 5))
	created := func(seconds int) *eventsv1.Event {
		return newEvent("uid-of-run", corev1.EventTypeNormal, "SuccessfulCreate", "Created pod: run-x", seconds)
	}
	for _, test := range []struct {
		reason string
		job    []func(*batchv1.Job)
		pods   []*corev1.Pod
		events []*eventsv1.Event
		was    func(*batchv1.Job) // The state in which the execution was seen before.
		after  []float64
		want   string
		reads  int
	}{
		{"it has not been started", nil, nil, []*eventsv1.Event{failedCreate(0)}, nil, []float64{0, 1, 5, 20}, "Waiting", 0},
		{"no event yet", []func(*batchv1.Job){started}, nil, nil, nil, []float64{0, 1.1, 2.2}, "Waiting", 1},
		{"the last try made a pod", []func(*batchv1.Job){started}, nil, []*eventsv1.Event{failedCreate(0), created(1)}, nil,
			[]float64{0, 1.2}, "Waiting", 1},
		{"the last try made none", []func(*batchv1.Job){started}, nil, []*eventsv1.Event{created(0), failedCreate(1)}, nil,
			[]float64{0, 1.2}, "PodsForbidden", 1},
		{"a try before it was resumed", []func(*batchv1.Job){started, func(job *batchv1.Job) { job.Status.StartTime = new(at(100)) }},
			nil, []*eventsv1.Event{failedCreate(5)}, nil, []float64{101, 103}, "Waiting", 1},
		{"another object's event", []func(*batchv1.Job){started}, nil,
			[]*eventsv1.Event{newEvent("other", corev1.EventTypeWarning, "FailedCreate", "no", 0)}, nil,
			[]float64{0, 1.2}, "Waiting", 1},
		{"it is suspended", []func(*batchv1.Job){started, suspended}, nil, []*eventsv1.Event{failedCreate(0)}, nil,
			[]float64{0, 1.2, 20}, "Suspended", 0},
		{"it is to have no pods", []func(*batchv1.Job){started, withoutPods}, nil, []*eventsv1.Event{failedCreate(0)}, nil,
			[]float64{0, 1.2, 20}, "Waiting", 0},
		{"it was to have none later", []func(*batchv1.Job){started, withoutPods}, nil, nil, active, []float64{20}, "Waiting", 0},
		{"it has finished", []func(*batchv1.Job){complete}, nil, []*eventsv1.Event{failedCreate(0)}, nil, []float64{40}, "Succeeded", 0},
		{"between two tries", []func(*batchv1.Job){started}, []*corev1.Pod{was}, []*eventsv1.Event{created(1)}, active,
			[]float64{6, 10, 15}, "Running", 0},
		{"its pods are gone, and no other can be created", []func(*batchv1.Job){started}, nil,
			[]*eventsv1.Event{created(1), failedCreate(6)}, active, []float64{6, 17}, "PodsForbidden", 1},
		{"another controller has said nothing", []func(*batchv1.Job){byOther}, nil, nil, nil, []float64{0, 1.2, 2.3}, "Waiting", 1},
		{"another controller has said why", []func(*batchv1.Job){byOther}, nil,
			[]*eventsv1.Event{newEvent("uid-of-run", corev1.EventTypeWarning, "NoCluster", "no room", 1)}, nil,
			[]float64{0, 1.2}, "PodsForbidden", 1},
	} {
		t.Run(test.reason, func(t *testing.T) {
			execution := newExecution()
			if test.was != nil {
				execution.Status = deriveStatus(execution, newJob(test.was), podSummary{})
			}
			c := newCluster(t, newTemplate(), execution, newJob(test.job...))
			for _, pod := range test.pods {
				c.make(pod.DeepCopy())
			}
			for _, event := range test.events {
				c.make(event.DeepCopy())
			}
			reads := 0
			for _, seconds := range test.after {
				for _, call := range c.lookAfter(seconds) {
					if call == listEvents {
						reads++
					}
				}
			}
			if got := c.summary(); got.Reason != test.want || reads != test.reads {
				t.Errorf("%s after %d reads (%s), want %s after %d", got.Reason, reads, got.Message, test.want, test.reads)
			}
		})
	}
}

func TestEventsOfAPod(t *testing.T) {
	warning := func(reason, note string, seconds int) *eventsv1.Event {
		return newEvent("uid-of-pod", corev1.EventTypeWarning, reason, note, seconds)
	}
	pulling := newEvent("uid-of-pod", corev1.EventTypeNormal, "Pulling", "Pulling image", 8)
	named := func(scheduler string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			stuck("", "")(pod)
			pod.Status.ContainerStatuses, pod.Spec.SchedulerName = nil, scheduler
		}
	}
	initialized := func(pod *corev1.Pod) {
		creating(pod)
		pod.Status.InitContainerStatuses = newPod(exited(0, "Completed", "", 3)).Status.ContainerStatuses
	}
	for _, test := range []struct {
		reason string
		pods   []*corev1.Pod
		events []*eventsv1.Event
		want   string // The reason and a part of the message.
		reads  int
	}{
		{"a Secret is missing", []*corev1.Pod{newPod(creating)}, []*eventsv1.Event{failedMount()},
			"FailedMount " + missingSecret, 1},
		{"a disk cannot be attached", []*corev1.Pod{newPod(creating)},
			[]*eventsv1.Event{warning("FailedAttachVolume", "Multi-Attach error", 2)}, "FailedMount Multi-Attach error", 1},
		{"what names the cause is preferred", []*corev1.Pod{newPod(creating)},
			[]*eventsv1.Event{failedMount(), warning("FailedMount", "Unable to attach or mount volumes: [v]", 9)},
			"FailedMount " + missingSecret, 1},
		{"the network cannot be set up", []*corev1.Pod{newPod(creating)},
			[]*eventsv1.Event{failedMount(), warning("FailedCreatePodSandBox", "no network", 5)},
			"PodNotStarted FailedCreatePodSandBox: no network", 1},
		{"no event", []*corev1.Pod{newPod(creating)}, nil, "Running ", 1},
		{"a warning that stops nothing", []*corev1.Pod{newPod(creating)},
			[]*eventsv1.Event{warning("DNSConfigForming", "too many", 5)}, "Running ", 1},
		{"the kubelet has gone on", []*corev1.Pod{newPod(creating)}, []*eventsv1.Event{failedMount(), pulling}, "Running ", 1},
		{"the scheduler's warning is from before", []*corev1.Pod{newPod(creating)},
			[]*eventsv1.Event{warning("FailedScheduling", "no node", 1)}, "Running ", 1},
		{"it has all but its image", []*corev1.Pod{newPod(ready)}, []*eventsv1.Event{failedMount()}, "Running ", 0},
		{"an init container has run", []*corev1.Pod{newPod(initialized)}, []*eventsv1.Event{failedMount()}, "Running ", 0},
		{"it runs", []*corev1.Pod{newPod()}, []*eventsv1.Event{failedMount()}, "Running ", 0},
		{"another one runs", []*corev1.Pod{newPod(creating), newPod(podNamed("run-y"))},
			[]*eventsv1.Event{failedMount()}, "Running ", 0},
		{"the status of the pod says why", []*corev1.Pod{newPod(unschedulable("no node"))},
			[]*eventsv1.Event{failedMount()}, "Unschedulable no node", 0},
		{"no scheduler has looked at it", []*corev1.Pod{newPod(named(corev1.DefaultSchedulerName))}, nil, "Running ", 0},
		{"its scheduler does not exist", []*corev1.Pod{newPod(named("volcano"))}, nil, `Unschedulable no scheduler "volcano"`, 1},
		{"its scheduler says why", []*corev1.Pod{newPod(named("volcano"))},
			[]*eventsv1.Event{warning("FailedScheduling", "no queue", 2)}, "Unschedulable no queue", 1},
	} {
		t.Run(test.reason, func(t *testing.T) {
			c := newCluster(t, newTemplate(), newExecution(), newJob(active))
			for _, pod := range test.pods {
				c.make(pod.DeepCopy())
			}
			for _, event := range test.events {
				c.make(event.DeepCopy())
			}
			c.lookAfter(2)
			early := slices.Contains(c.lookAfter(10.5), listEvents)
			reads := 0
			for _, call := range c.lookAfter(11.5) {
				if call == listEvents {
					reads++
				}
			}
			got, want, _ := c.summary(), "", false
			reason, part, _ := strings.Cut(test.want, " ")
			want = reason
			if early || reads != test.reads || got.Reason != want || !strings.Contains(got.Message, part) {
				t.Errorf("%s %q after %d reads (early %v), want %q after %d", got.Reason, got.Message, reads, early, test.want,
					test.reads)
			}
		})
	}
}

// Whatever the pod does next, the status follows, and what is remembered tells why the Job failed.
func TestAPodThatCannotMount(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(active), newPod(creating), failedMount())
	c.lookAfter(2)
	c.lookAfter(11.5)
	if got := c.summary().Reason; got != "FailedMount" {
		t.Fatalf("reason = %s, want FailedMount", got)
	}
	t.Run("after a restart it is not read again at once", func(t *testing.T) {
		c.restart()
		if calls := c.lookAfter(12); len(calls) > 0 {
			t.Errorf("calls = %q, want none", calls)
		}
		if !c.reconciler.watchesPod(newPod()) {
			t.Error("changes of the pod are not watched")
		}
	})
	t.Run("a later failure of the Job tells it", func(t *testing.T) {
		c.lookAfter(40)
		c.reconciler.podOutcomes.note(newPod(creating), false)
		remembered := c.reconciler.podOutcomes.of(keyOf(newJob()))
		if remembered == nil || remembered.result.Reason != "FailedMount" {
			t.Errorf("remembered %+v, want FailedMount", remembered)
		}
		c.reconciler.podOutcomes.note(newPod(), false)
		if remembered := c.reconciler.podOutcomes.of(keyOf(newJob())); remembered != nil {
			t.Errorf("remembered %+v of a pod that has started", remembered)
		}
	})
	t.Run("the Secret is created", func(t *testing.T) {
		c.setPods(newPod(ready))
		c.lookAfter(41)
		if got := c.summary().Reason; got != "Running" {
			t.Errorf("reason = %s, want Running", got)
		}
		if c.reconciler.watchesPod(newPod()) {
			t.Error("changes of the pod are still watched")
		}
	})
}

// However many executions wait, the API server is asked for the events of a few a second.
func TestEventsAreReadAtABoundedRate(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(started))
	c.lookAfter(0)
	c.reconciler.looks.limiter.AllowN(testTime.Add(2*time.Second), looksAtOnce)
	if calls := c.lookAfter(2); slices.Contains(calls, listEvents) {
		t.Errorf("calls = %q, want no read yet", calls)
	}
	if !c.reconciler.eventReads.TryAcquire(maxEventReads) {
		t.Fatal("an earlier read has not ended")
	}
	if calls := c.lookAfter(2.2); slices.Contains(calls, listEvents) {
		t.Errorf("calls = %q while others read, want none", calls)
	}
	c.reconciler.eventReads.Release(maxEventReads)
	if calls := c.lookAfter(3.5); !slices.Contains(calls, listEvents) {
		t.Errorf("calls = %q, want the read", calls)
	}
}

// A change of the object is a reason to read its events again, though not at once.
func TestEventsAreReadAgainAfterAChange(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(started), failedCreate(0))
	for _, seconds := range []float64{0, 2, 5, 10, 21} {
		c.lookAfter(seconds)
	}
	c.setJob(func(job *batchv1.Job) { job.Status.StartTime = new(at(1)) })
	if calls := c.lookAfter(22); slices.Contains(calls, listEvents) {
		t.Errorf("calls = %q a second after the last read", calls)
	}
	if calls := c.lookAfter(27); !slices.Contains(calls, listEvents) {
		t.Errorf("calls = %q after a change, want a read", calls)
	}
}
