package controller

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

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

// A Job that was created is not created again, even if no status could be stored that names it, and it was deleted then.
func TestRunsOnceWithoutAStatus(t *testing.T) {
	for reason, createError := range map[string]error{"it was created": nil, "it was found": errTaken} {
		waited := newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
			forbidden := &retryableError{reason: dispatcherv1alpha1.ReasonJobForbidden, message: "a quota"}
			execution.Status = waitingStatus(execution, forbidden, testTime)
		})
		c := newCluster(t, newTemplate(), waited)
		if createError != nil {
			c.make(newJob())
			c.createError = createError
		}
		cached, _ := c.clients()
		c.reconciler.client = interceptor.NewClient(cached, interceptor.Funcs{
			SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
				return errNoRoom
			},
		})
		if _, calls, err := c.reconcile(); err == nil || !slices.Contains(calls, "create Job") {
			t.Fatalf("%s: calls = %q, error = %v, want a Job, and no status", reason, calls, err)
		}
		c.delete(newJob())
		c.createError = nil
		c.reconciler.client = cached
		c.stepUnseen()
		if got := c.summary().Reason; got != dispatcherv1alpha1.ReasonJobDeleted || len(c.jobs()) > 0 {
			t.Errorf("%s: reason = %s, jobs = %q, want JobDeleted and none", reason, got, c.jobs())
		}
	}
}

// Wherever a Job without its label is found, it gets it back, so that its changes are seen.
func TestFoundJobsGetTheirLabel(t *testing.T) {
	unlabelled := func(job *batchv1.Job) { job.Labels = nil }
	named := func(template *dispatcherv1alpha1.JobTemplate) { template.Spec.JobTemplate.Name = "given" }
	for _, test := range []struct {
		reason   string
		template *dispatcherv1alpha1.JobTemplate
	}{
		{"when it is created again", newTemplate()},
		{"when the template does not render any more", newTemplate(broken)},
		{"when the template gives another name now", newTemplate(named)},
	} {
		c := newCluster(t, test.template, newExecution(), newJob(active, unlabelled))
		c.createError = errTaken
		c.step()
		c.setJob(func(job *batchv1.Job) {
			if got := job.Labels[dispatcherv1alpha1.LabelJobExecution]; got != testKey.Name {
				t.Errorf("%s: the label is %q, want %q", test.reason, got, testKey.Name)
			}
		})
	}
}

// An execution that is being deleted gets no Job, even if the cache does not show its deletion.
func TestDeletingExecutionBehindTheCache(t *testing.T) {
	deleting := newExecution(func(execution *dispatcherv1alpha1.JobExecution) {
		execution.DeletionTimestamp, execution.Finalizers = new(at(0)), []string{metav1.FinalizerDeleteDependents}
	})
	c := newLaggingCluster(t, store(newTemplate(), deleting), store(newTemplate(), newExecution()))
	c.clock.SetTime(testTime.Add(staleAfter + time.Second))
	if diff := cmp.Diff([]string{"get JobExecution"}, c.stepUnseen()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
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

// An execution that is gone when its status is written is no error.
func TestStatusOfWhatIsGone(t *testing.T) {
	c := newLaggingCluster(t, store(newTemplate()), store(newTemplate(), newExecution(), newJob(complete)))
	if calls := c.stepUnseen(); !slices.Contains(calls, "patch status of JobExecution") {
		t.Errorf("calls = %q, want a try", calls)
	}
	if got := c.events(); len(got) > 0 {
		t.Errorf("events = %q, want none", got)
	}
}

// A resourceVersion counts as replaced for a while, where this process has replaced it.
func TestHasReplaced(t *testing.T) {
	for _, test := range []struct {
		reason string
		change bool // Whether the API server stores a change.
		later  time.Duration
		want   bool
	}{
		{"a moment ago", true, replacedFor - 1, true},
		{"long ago", true, replacedFor, false},
		{"in the future, since the clock was set back", true, -1, false},
		{"nothing was changed", false, 0, false},
	} {
		c := newCluster(t, newTemplate(), newExecution(), newJob(active))
		before := c.execution()
		if !test.change {
			cached, _ := c.clients()
			c.reconciler.client = interceptor.NewClient(cached, interceptor.Funcs{
				SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
					return nil
				},
			})
		}
		c.stepUnseen()
		c.clock.SetTime(testTime.Add(test.later))
		if got := c.reconciler.hasReplaced(before); got != test.want {
			t.Errorf("%s: replaced = %v, want %v", test.reason, got, test.want)
		}
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

// Every condition tells when it changed. Those that the API server filled in have not changed since the creation.
func TestTransitionTimes(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution(), newJob(active))
	c.step()
	for _, condition := range c.execution().Status.Conditions {
		want := at(1)
		switch condition.Type {
		case dispatcherv1alpha1.ConditionSucceeded, dispatcherv1alpha1.ConditionReconciling:
			want = at(0)
		}
		if !condition.LastTransitionTime.Equal(&want) {
			t.Errorf("%s.lastTransitionTime = %v, want %v", condition.Type, condition.LastTransitionTime, want)
		}
	}
}
