package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// restart replaces the process by one that remembers nothing, and has led for long.
func (c *cluster) restart() {
	cached, live := c.clients()
	old := c.reconciler
	c.reconciler = newReconciler(cached, live, c.objects, old.renderer, c.recorder, c.clock, old.lease)
}

// The first status names the Job, two seconds after it was created at the latest, and at once where the Job will not
// start.
func TestFirstStatus(t *testing.T) {
	const create, write = "create Job", "patch status of JobExecution"
	idle := func(template *dispatcherv1alpha1.JobTemplate) { withoutPodsSpec(&template.Spec.JobTemplate.Spec) }
	halted := func(template *dispatcherv1alpha1.JobTemplate) { template.Spec.JobTemplate.Spec.Suspend = new(true) }
	for _, test := range []struct {
		reason   string
		template *dispatcherv1alpha1.JobTemplate
		job      *batchv1.Job // What exists already, if anything.
		seconds  []float64    // When it is looked at.
		want     [][]string   // The calls then.
	}{
		{"a Job without pods, in the process that created it", newTemplate(), nil, []float64{0, 1, 2, 3},
			[][]string{{create}, nil, {write}, nil}},
		{"a Job without pods that another process created", newTemplate(), newJob(), []float64{0, 1.5, 2},
			[][]string{nil, nil, {write}}},
		{"a Job that is to have no pods", newTemplate(idle), nil, []float64{0}, [][]string{{create, write}}},
		{"a Job that is to have no pods, created by another process", newTemplate(idle), newJob(withoutPods),
			[]float64{0}, [][]string{{write}}},
		{"a Job that is suspended", newTemplate(halted), nil, []float64{0}, [][]string{{create, write}}},
		{"a Job that runs", newTemplate(), newJob(active), []float64{0}, [][]string{{write}}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			objects := []client.Object{test.template, newExecution()}
			if test.job != nil {
				objects = append(objects, test.job)
			}
			c := newCluster(t, objects...)
			for i, seconds := range test.seconds {
				now := testTime.Add(time.Duration(seconds * float64(time.Second)))
				c.clock.SetTime(now)
				result, calls, err := c.reconcile()
				if diff := cmp.Diff(test.want[i], calls); diff != "" || err != nil {
					t.Errorf("calls after %v seconds: %v (-want +got):\n%s", seconds, err, diff)
				}
				c.sync()
				want := ctrl.Result{}
				if c.execution().Status.Job == nil {
					want = ctrl.Result{
						RequeueAfter: testTime.Add(firstStatusAfter).Sub(now),
						Priority:     new(handler.LowPriority),
					}
				}
				if diff := cmp.Diff(want, result); diff != "" {
					t.Errorf("result after %v seconds (-want +got):\n%s", seconds, diff)
				}
			}
			if c.execution().Status.Job == nil {
				t.Fatal("the status does not name the Job")
			}

			t.Run("and it does not run again after a restart when its Job is deleted", func(t *testing.T) {
				c.restart()
				c.delete(newJob())
				c.sync()
				if calls := c.step(); slices.Contains(calls, create) {
					t.Errorf("calls = %q, want no Job", calls)
				}
				if got := c.summary().Reason; got != dispatcherv1alpha1.ReasonJobDeleted {
					t.Errorf("reason = %s, want JobDeleted", got)
				}
			})
		})
	}
}

func withoutPodsSpec(spec *batchv1.JobSpec) { spec.Parallelism = new(int32(0)) }

// A replica that has seen a Job does not take it for one that never was, when it becomes the leader after somebody
// deleted it within the first two seconds.
func TestSeenJobsAreRemembered(t *testing.T) {
	for _, test := range []struct {
		reason string
		see    func(*cluster)
	}{
		{"in a watch event", func(c *cluster) {
			queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			c.reconciler.jobHandler().Create(t.Context(), event.CreateEvent{Object: newJob()}, queue)
			if queue.Len() != 1 {
				t.Errorf("%d executions were enqueued, want 1", queue.Len())
			}
		}},
		{"in the cache, while it led", func(c *cluster) {
			c.make(newJob())
			c.sync()
			c.step()
			c.delete(newJob())
		}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			c := newCluster(t, newTemplate(), newExecution())
			test.see(c)
			c.sync()
			c.step()
			if got := c.summary().Reason; got != dispatcherv1alpha1.ReasonJobDeleted {
				t.Errorf("reason = %s, want JobDeleted", got)
			}
			if got := c.jobs(); len(got) > 0 {
				t.Errorf("jobs = %q, want none", got)
			}
		})
	}
}

// The Jobs that exist when a process starts do not push out of its memory what it will need.
func TestFinishedJobsAreNotRemembered(t *testing.T) {
	c := newCluster(t)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	for _, test := range []struct {
		event event.CreateEvent
		want  bool
	}{
		{event.CreateEvent{Object: newJob(complete), IsInInitialList: true}, false},
		{event.CreateEvent{Object: newJob(active), IsInInitialList: true}, true},
		{event.CreateEvent{Object: newJob(complete)}, true},
		{event.CreateEvent{Object: newJob(active, ofCronJob)}, false},
		{event.CreateEvent{Object: newJob(active, func(job *batchv1.Job) { job.OwnerReferences = nil })}, false},
	} {
		c.restart()
		c.reconciler.jobHandler().Create(t.Context(), test.event, queue)
		if got := c.reconciler.startedJobs.of(keyOf(newExecution())) != nil; got != test.want {
			t.Errorf("%+v: remembered = %v, want %v", test.event, got, test.want)
		}
	}
}

// ofCronJob makes a Job whose owner has the UID of an execution, and is none.
func ofCronJob(job *batchv1.Job) {
	job.OwnerReferences[0].APIVersion, job.OwnerReferences[0].Kind = "batch/v1", "CronJob"
}

// Whoever may create Jobs in one namespace can name any owner. That says nothing about an execution of another one.
func TestMemoryOfAJobInAnotherNamespace(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	c.reconciler.startedJobs.note(newJob(func(job *batchv1.Job) { job.Namespace, job.UID = "other", "uid-of-other-job" }))
	c.stepUnseen()
	if got := c.summary().Reason; got == dispatcherv1alpha1.ReasonJobDeleted || len(c.jobs()) != 1 {
		t.Errorf("reason = %s, jobs = %q, want one Job", got, c.jobs())
	}
}

// A second Job of an execution, which another leader has created since it knew of none, is not taken for a foreign one.
func TestMemoryOfAnotherJob(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	earlier := newJob(func(job *batchv1.Job) { job.UID = "uid-of-earlier-job" })
	c.reconciler.startedJobs.note(earlier)
	c.make(newJob(active))
	c.stepUnseen()
	if got := c.summary().Reason; got != "Running" {
		t.Errorf("reason = %s, want Running", got)
	}
}
