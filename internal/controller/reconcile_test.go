package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
)

// A normal life takes five writes: somebody creates the execution, the reconciler makes the Job and two states, and one
// event. It reads nothing past the cache, and lists nothing.
func TestNormalLife(t *testing.T) {
	for _, test := range []struct {
		outcome func(*batchv1.Job)
		pod     func(*corev1.Pod)
		reason  string
		event   string
	}{
		{complete, exited(0, "Completed", "", 30), "Succeeded", "Normal Succeeded"},
		{failed("BackoffLimitExceeded"), exited(1, "Error", "", 30), "BackoffLimitExceeded",
			"Warning BackoffLimitExceeded"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			c := newCluster(t, newTemplate(), newExecution(), newPod(test.pod))
			steps := []struct {
				change func(*batchv1.Job)
				want   []string
				reason string
			}{
				{nil, []string{"create Job"}, "Waiting"},
				{func(*batchv1.Job) {}, nil, "Waiting"},
				{active, []string{"patch status of JobExecution"}, "Running"},
				{func(job *batchv1.Job) { job.Status.Active = 0 }, nil, "Running"},
				{test.outcome, []string{"patch status of JobExecution"}, test.reason},
				{func(*batchv1.Job) {}, nil, test.reason},
			}
			for i, step := range steps {
				if step.change != nil {
					c.setJob(step.change)
					c.sync()
				}
				if diff := cmp.Diff(step.want, c.step()); diff != "" {
					t.Errorf("calls of step %d (-want +got):\n%s", i, diff)
				}
				if got := c.summary().Reason; got != step.reason {
					t.Errorf("after step %d the reason is %s, want %s", i, got, step.reason)
				}
			}
			if diff := cmp.Diff([]string{test.event}, c.events()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever the cache fails to show, an execution that ran does not run again.
func TestRunsOnce(t *testing.T) {
	finishedWithJob := func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Status = deriveStatus(execution, newJob(complete), podSummary{})
	}
	for _, test := range []struct {
		reason string
		// prepare makes the server differ from the cache, which shows a fresh execution and no Job.
		prepare func(*cluster)
		want    string // The reason; empty if the execution is gone, as one goes after its finished Job.
		jobs    []string
	}{
		{"this process ran it a moment ago, and its Job is gone by its TTL", func(c *cluster) {
			c.stepUnseen()
			c.delete(newJob())
			execution := c.execution()
			finishedWithJob(execution)
			c.setStatus(execution)
		}, "", []string{}},
		{"the leader before this one ran it", func(c *cluster) {
			c.reconciler.lease = leader.Alone(testTime.Add(time.Second - settledAfter))
			execution := c.execution()
			finishedWithJob(execution)
			c.setStatus(execution)
		}, "", []string{}},
		{"it is old", func(c *cluster) {
			c.clock.SetTime(testTime.Add(staleAfter + time.Second))
			execution := c.execution()
			finishedWithJob(execution)
			c.setStatus(execution)
		}, "", []string{}},
		{"it seems to come from the future, since this machine's clock is slow", func(c *cluster) {
			c.clock.SetTime(testTime.Add(-time.Minute))
			execution := c.execution()
			finishedWithJob(execution)
			c.setStatus(execution)
		}, "", []string{}},
		{"its Job was made, and is not in the cache", func(c *cluster) {
			c.stepUnseen()
		}, "Waiting", []string{"run"}},
		{"its Job was made by another process, and is not in the cache", func(c *cluster) {
			c.make(newJob())
		}, "Waiting", []string{"run"}},
		{"its Job was made, and deleted before a word was written", func(c *cluster) {
			c.stepUnseen()
			c.delete(newJob())
		}, "JobDeleted", []string{}},
		{"its Job runs, as its status says, and was deleted", func(c *cluster) {
			execution := c.execution()
			execution.Status = deriveStatus(execution, newJob(active), podSummary{})
			c.setStatus(execution)
			c.sync()
		}, "JobDeleted", []string{}},
		{"its Job was deleted, and another one has its name", func(c *cluster) {
			execution := c.execution()
			execution.Status = deriveStatus(execution, newJob(active), podSummary{})
			c.setStatus(execution)
			c.make(newJob(func(job *batchv1.Job) { job.UID, job.OwnerReferences = "another", nil }))
			c.sync()
		}, "JobDeleted", []string{"run"}},
		{"it is gone", func(c *cluster) {
			c.clock.SetTime(testTime.Add(time.Minute))
			c.delete(newExecution())
		}, "", []string{}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			c := newCluster(t, newTemplate(), newExecution())
			test.prepare(c)
			for range 2 {
				if _, _, err := c.reconcile(); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.jobs, c.jobs()); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			got := ""
			if execution := c.execution(); execution != nil {
				got = execution.Summary().Reason
			}
			if got != test.want {
				t.Errorf("reason = %q, want %q", got, test.want)
			}
		})
	}
}

// A Job that lost its label is no longer in the cache: it is neither taken for deleted nor forgotten.
func TestLostLabel(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(active), newPod(exited(0, "Completed", "", 30)))
	c.step()
	c.setJob(func(job *batchv1.Job) {
		complete(job)
		job.Labels = nil
	})
	c.sync()

	want := []string{"get JobExecution", "get Job", "patch Job", "patch status of JobExecution"}
	if diff := cmp.Diff(want, c.step()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := c.summary().Reason; got != "Succeeded" {
		t.Errorf("reason = %s, want Succeeded", got)
	}
	var jobs batchv1.JobList
	if err := c.cache.List(t.Context(), &jobs); err != nil || len(jobs.Items) != 1 {
		t.Errorf("the cache has %d Jobs, want 1 (error %v)", len(jobs.Items), err)
	}
}

// The status goes on when the template does not.
func TestTemplateDeletedWhileRunning(t *testing.T) {
	c := newCluster(t, newExecution(), newJob(active))
	c.step()
	c.setJob(complete)
	c.sync()
	c.step()
	if got := c.summary().Reason; got != "Succeeded" {
		t.Errorf("reason = %s, want Succeeded", got)
	}
}

// An execution that is being deleted is left alone.
func TestDeletingExecution(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
		execution.DeletionTimestamp, execution.Finalizers = new(at(0)), []string{metav1.FinalizerDeleteDependents}
	}))
	if calls := c.step(); len(calls) > 0 {
		t.Errorf("calls = %q, want none", calls)
	}
}

// Of two writers one gets through. The other does not count, announce or fail. One that wrote itself does not try again
// before its cache shows that.
func TestOutdatedStatus(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(complete))
	before := finishedCount(t, resultSucceeded)
	for _, step := range []struct {
		reason   string
		prepare  func()
		attempts bool
	}{
		{"the first to write", func() {}, true},
		{"the same process, with a cache that lags", func() {}, false},
		{"another process, with a cache that lags", c.reconciler.replaced.Clear, true},
	} {
		step.prepare()
		result, calls, err := c.reconcile()
		if err != nil {
			t.Fatal(err)
		}
		if comesBack := result.RequeueAfter >= replacedFor; comesBack == step.attempts {
			t.Errorf("%s: retried after %v", step.reason, result.RequeueAfter)
		}
		if attempts := slices.Contains(calls, "patch status of JobExecution"); attempts != step.attempts {
			t.Errorf("%s: calls = %q", step.reason, calls)
		}
	}
	if got := c.events(); !slices.Equal(got, []string{"Normal Succeeded"}) {
		t.Errorf("events = %q, want one", got)
	}
	if got := finishedCount(t, resultSucceeded) - before; got != 1 {
		t.Errorf("counted %v times, want once", got)
	}
}

// After etcd was restored, an execution has the resourceVersion again that was replaced before. Its status is written.
func TestStatusAfterRestore(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(active))
	before := c.execution()
	c.stepUnseen()
	for range 2 {
		restored := before.DeepCopy()
		c.server = store(newTemplate(), restored, newJob(complete))
		c.sync()
		cached, live := c.clients()
		c.reconciler.client, c.reconciler.apiReader = cached, live
		if got := c.execution().ResourceVersion; got != before.ResourceVersion {
			t.Fatalf("resourceVersion = %s, want %s", got, before.ResourceVersion)
		}
		if result, _, err := c.reconcile(); err != nil || result.RequeueAfter == 0 {
			break
		}
		c.clock.SetTime(c.clock.Now().Add(replacedFor))
	}
	if got := c.summary().Reason; got != "Succeeded" {
		t.Errorf("reason = %s, want Succeeded", got)
	}
}

// A clock that was set back does not make executions come back all the time.
func TestWaitIntervalOfTheFuture(t *testing.T) {
	c := newCluster(t)
	for _, test := range []struct{ ahead, want time.Duration }{
		{time.Second, minWaitInterval}, {time.Hour, maxWaitInterval},
	} {
		got := c.reconciler.waitInterval(&retryableError{since: testTime.Add(test.ahead)})
		if got < test.want || got > test.want*6/5 {
			t.Errorf("%v ahead: tried again in %v, want about %v", test.ahead, got, test.want)
		}
	}
}

// Every condition tells when it changed, the one that the API server filled in included.
func TestTransitionTimes(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(active))
	c.step()
	for _, condition := range c.execution().Status.Conditions {
		want := at(1)
		if condition.Type == dispatcherv1alpha1.ConditionSucceeded {
			want = at(0)
		}
		if !condition.LastTransitionTime.Equal(&want) {
			t.Errorf("%s.lastTransitionTime = %v, want %v", condition.Type, condition.LastTransitionTime, want)
		}
	}
}
