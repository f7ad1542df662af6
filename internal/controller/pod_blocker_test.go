package controller

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestSummaryOfPods(t *testing.T) {
	young := func(pod *corev1.Pod) { pod.CreationTimestamp = at(9) }
	besides := func(pod *corev1.Pod) {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, newPod().Status.ContainerStatuses[0])
		pod.Status.ContainerStatuses[0].Name = "other"
	}
	initializing := func(pod *corev1.Pod) {
		pod.Status.InitContainerStatuses = slices.Clone(pod.Status.ContainerStatuses)
		pod.Status.InitContainerStatuses[0].Name = "init"
		pod.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
	}
	gated := func(pod *corev1.Pod) {
		unschedulable("")(pod)
		pod.Status.Conditions[0].Reason = corev1.PodReasonSchedulingGated
	}
	for _, test := range []struct {
		reason string
		pods   []*corev1.Pod
		live   bool
		want   string // The reason and the beginning of the message; empty where nothing holds the Job up.
	}{
		{"no pod says nothing", nil, false, ""},
		{"a pod that runs is not blocked", []*corev1.Pod{newPod()}, true, ""},
		{"nor is one whose containers are being created", []*corev1.Pod{newPod(stuck("ContainerCreating", ""))}, true,
			""},
		{"nor one that runs again and again", []*corev1.Pod{newPod(stuck("CrashLoopBackOff", "back-off 10s"))}, true,
			""},
		{"somebody holds it back on purpose", []*corev1.Pod{newPod(gated)}, true,
			"Unschedulable pod run-x cannot be scheduled: no reason is given; "},
		{"no node has room", []*corev1.Pod{newPod(unschedulable("0/3 nodes are available"))}, true,
			"Unschedulable pod run-x cannot be scheduled: 0/3 nodes are available; "},
		{"the first try to pull failed", []*corev1.Pod{newPod(stuck("ErrImagePull", "not found"))}, true,
			"ImagePullBackOff container hello of pod run-x has an image that cannot be pulled: not found; "},
		{"the next try is due later", []*corev1.Pod{newPod(stuck("ImagePullBackOff", "Back-off"))}, true,
			"ImagePullBackOff container hello of pod run-x has an image that cannot be pulled: Back-off; "},
		{"the image has no name", []*corev1.Pod{newPod(stuck("InvalidImageName", ""))}, true,
			"ImagePullBackOff container hello of pod run-x has an image that cannot be pulled: no reason is given; "},
		{"a Secret is missing", []*corev1.Pod{newPod(stuck("CreateContainerConfigError", `secret "key" not found`))},
			true,
			`CreateContainerConfigError container hello of pod run-x cannot be configured: secret "key" not found; `},
		{"the runtime refuses", []*corev1.Pod{newPod(stuck("CreateContainerError", "no command"))}, true,
			"CreateContainerError container hello of pod run-x cannot be created: no command; "},
		{"an init container is blocked", []*corev1.Pod{newPod(stuck("ErrImagePull", "not found"), initializing)}, true,
			"ImagePullBackOff container init of pod run-x "},
		{"one container of two is enough", []*corev1.Pod{newPod(stuck("ErrImagePull", "not found"), besides)}, true,
			"ImagePullBackOff container other of pod run-x "},
		{"one pod that runs is enough", []*corev1.Pod{newPod(stuck("ErrImagePull", "")), newPod(podNamed("run-y"))},
			true, ""},
		{"one that has ended is not",
			[]*corev1.Pod{newPod(stuck("ErrImagePull", "")), newPod(podNamed("run-y"), exited(1, "Error", "", 9))},
			true, "ImagePullBackOff container hello of pod run-x "},
		{"of two the older one counts",
			[]*corev1.Pod{newPod(stuck("ErrImagePull", ""), podNamed("run-y"), young), newPod(unschedulable(""))}, true,
			"Unschedulable pod run-x "},
		{"of two of an age the first by name counts",
			[]*corev1.Pod{newPod(stuck("ErrImagePull", ""), podNamed("run-y")), newPod(unschedulable(""))}, true,
			"Unschedulable pod run-x "},
		{"one that is being deleted does not count", []*corev1.Pod{newPod(stuck("ErrImagePull", ""), stopped)},
			false, ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			for range 2 {
				got := summaryOfPods(test.pods)
				told := ""
				if got.blocker != nil {
					told = got.blocker.reason + " " + got.blocker.message(newExecution(), newJob())
				}
				if got.active != test.live || (test.want == "") != (told == "") || !strings.HasPrefix(told, test.want) {
					t.Errorf("live = %v, %q, want %v, %q", got.active, told, test.live, test.want)
				}
				slices.Reverse(test.pods)
			}
		})
	}
}

// An execution whose pods are blocked waits, and says so once: neither the kubelet's next try nor the scheduler's next
// count is worth a write.
func TestBlockedPods(t *testing.T) {
	const write = "patch status of JobExecution"
	c := newCluster(t, newTemplate(), newExecution(), newJob(active))
	later := func(pod *corev1.Pod) {
		pod.Status.ContainerStatuses[0].State.Running.StartedAt = at(15)
	}
	for _, step := range []struct {
		does string
		pods []*corev1.Pod
		job  func(*batchv1.Job)
		want []string
		brief
	}{
		{"nobody has looked at the pod", []*corev1.Pod{newPod(stuck("", ""))}, nil, []string{write},
			brief{Running: "True", Reason: "Running"}},
		{"no node has room", []*corev1.Pod{newPod(unschedulable("0/3 nodes"))}, nil, []string{write},
			brief{Waiting: "True", Reason: "Unschedulable"}},
		{"nor among four", []*corev1.Pod{newPod(unschedulable("0/4 nodes"))}, nil, nil,
			brief{Waiting: "True", Reason: "Unschedulable"}},
		{"a node has room, and no image", []*corev1.Pod{newPod(stuck("ErrImagePull", "not found"))}, nil,
			[]string{write}, brief{Waiting: "True", Reason: "ImagePullBackOff"}},
		{"the kubelet waits", []*corev1.Pod{newPod(stuck("ImagePullBackOff", "Back-off pulling image"))}, nil, nil,
			brief{Waiting: "True", Reason: "ImagePullBackOff"}},
		{"the kubelet tries again", []*corev1.Pod{newPod(stuck("ErrImagePull", "timeout"))}, nil, nil,
			brief{Waiting: "True", Reason: "ImagePullBackOff"}},
		{"somebody deletes the pod", []*corev1.Pod{newPod(stuck("ErrImagePull", "timeout"), stopped)}, nil, nil,
			brief{Waiting: "True", Reason: "ImagePullBackOff"}},
		{"the Job counts no pod", nil, func(job *batchv1.Job) { job.Status.Active = 0 }, nil,
			brief{Waiting: "True", Reason: "ImagePullBackOff"}},
		{"the next one has the same trouble",
			[]*corev1.Pod{newPod(podNamed("run-y"), stuck("ErrImagePull", "timeout"))}, active, []string{write},
			brief{Waiting: "True", Reason: "ImagePullBackOff"}},
		{"the image comes", []*corev1.Pod{newPod(podNamed("run-y"), later)}, nil, []string{write},
			brief{Running: "True", Reason: "Running"}},
	} {
		c.setPods(step.pods...)
		if step.job != nil {
			c.setJob(step.job)
		}
		c.sync()
		if diff := cmp.Diff(step.want, c.step()); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", step.does, diff)
		}
		got := briefOf(c.execution().Status)
		if got.Reason != step.Reason ||
			(got.Waiting == metav1.ConditionTrue) != (step.Waiting == metav1.ConditionTrue) ||
			(got.Running == metav1.ConditionTrue) != (step.Running == metav1.ConditionTrue) {
			t.Errorf("%s: %+v, want %+v", step.does, got, step.brief)
		}
	}
	for _, condition := range c.execution().Status.Conditions {
		if since := at(15); condition.Type == "Running" && !condition.LastTransitionTime.Equal(&since) {
			t.Errorf("running since %v, want %v", condition.LastTransitionTime, since)
		}
	}
	if diff := cmp.Diff([]string{"Warning Unschedulable", "Warning ImagePullBackOff"}, c.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// The execution of a pod is enqueued when its status may change, and for no other change of the pod.
func TestPodsEnqueueExecutions(t *testing.T) {
	for _, test := range []struct {
		reason        string
		before, after *corev1.Pod
		want          int
	}{
		{"it came", nil, newPod(), 1},
		{"it went", newPod(), nil, 1},
		{"it became blocked", newPod(stuck("ContainerCreating", "")), newPod(stuck("ErrImagePull", "")), 1},
		{"it is still blocked", newPod(stuck("ErrImagePull", "")), newPod(stuck("ImagePullBackOff", "")), 0},
		{"something else blocks it", newPod(unschedulable("")), newPod(stuck("ErrImagePull", "")), 1},
		{"it runs at last", newPod(stuck("ErrImagePull", "")), newPod(), 1},
		{"it started as usual", newPod(stuck("ContainerCreating", "")), newPod(), 0},
		{"a node has it", newPod(stuck("", "")), newPod(creating), 1},
		{"it has its volumes and its network", newPod(creating), newPod(ready), 1},
		{"its image has come", newPod(ready), newPod(func(pod *corev1.Pod) {
			pod.Status.Conditions = newPod(ready).Status.Conditions
		}), 0},
		{"it ended", newPod(), newPod(exited(0, "Completed", "", 9)), 1},
		{"it ended, and a finalizer is removed", newPod(exited(0, "Completed", "", 9)),
			newPod(exited(0, "Completed", "", 9)), 0},
		{"it is being deleted", newPod(), newPod(stopped), 1},
	} {
		h := newCluster(t).reconciler.podHandler()
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		switch ctx := context.Background(); {
		case test.before == nil:
			h.Create(ctx, event.CreateEvent{Object: test.after}, queue)
		case test.after == nil:
			h.Delete(ctx, event.DeleteEvent{Object: test.before}, queue)
		default:
			h.Update(ctx, event.UpdateEvent{ObjectOld: test.before, ObjectNew: test.after}, queue)
		}
		if got := queue.Len(); got != test.want {
			t.Errorf("%s: enqueued %d, want %d", test.reason, got, test.want)
		}
	}
}

// setPods replaces the pods on the server, as the Job controller and the kubelet would.
func (c *cluster) setPods(pods ...*corev1.Pod) {
	c.t.Helper()
	var old corev1.PodList
	if err := c.server.List(c.t.Context(), &old); err != nil {
		c.t.Fatal(err)
	}
	for i := range old.Items {
		if len(old.Items[i].Finalizers) > 0 {
			old.Items[i].Finalizers = nil
			if err := c.server.Update(c.t.Context(), &old.Items[i]); err != nil {
				c.t.Fatal(err)
			}
			continue
		}
		c.delete(&old.Items[i])
	}
	for _, pod := range pods {
		deleted := pod.DeletionTimestamp
		c.make(pod)
		if deleted != nil {
			c.delete(pod)
		}
	}
}
