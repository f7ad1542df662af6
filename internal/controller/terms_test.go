package controller

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
)

// elected makes the cluster's reconciler one of a process that competes with others.
func (c *cluster) elected() *leader.Lease {
	lease := leader.NewLease(c.clock)
	c.reconciler.lease = lease
	return lease
}

// whenReading calls do before each read of a kind from the cache.
func (c *cluster) whenReading(kind runtime.Object, do func()) {
	check := func(object runtime.Object) {
		if reflect.TypeOf(object) == reflect.TypeOf(kind) {
			do()
		}
	}
	c.cache = interceptor.NewClient(c.cache, interceptor.Funcs{
		Get: func(ctx context.Context, cache client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			check(object)
			return cache.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, cache client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			check(list)
			return cache.List(ctx, list, options...)
		},
	})
}

// TestOnlyTheLeaderWrites takes the Lease away before a reconcile, or just before its write. That is no error, and
// whoever leads next does the work, even if that is the same process.
func TestOnlyTheLeaderWrites(t *testing.T) {
	named := func(template *dispatcherv1alpha1.JobTemplate) { template.Spec.JobTemplate.Name = "given" }
	template, pods := &dispatcherv1alpha1.JobTemplate{}, &corev1.PodList{}
	for _, test := range []struct {
		reason  string
		objects []client.Object
		read    runtime.Object // What is read from the cache before the write.
		want    string
	}{
		{"a Job is to be created", []client.Object{newTemplate(), newExecution()}, template, "create Job"},
		{"the name of a Job is to be stored", []client.Object{newTemplate(named), newExecution()}, template,
			"create Job"},
		{"the end is to be written", []client.Object{newTemplate(), newExecution(), newJob(complete)}, pods,
			"patch status of JobExecution"},
		{"the template does not exist", []client.Object{newExecution()}, template, "patch status of JobExecution"},
	} {
		for reason, lose := range map[string]func(*cluster, *leader.Lease){
			"and another one holds the Lease": func(_ *cluster, lease *leader.Lease) { lease.Lost() },
			"and the process was frozen":      func(c *cluster, _ *leader.Lease) { c.clock.SetTime(c.clock.Now().Add(leader.RenewDeadline)) },
			"and another one has led meanwhile": func(c *cluster, lease *leader.Lease) {
				lease.Lost()
				lease.Renewed(c.clock.Now())
			},
		} {
			t.Run(test.reason+" "+reason, func(t *testing.T) {
				c := newCluster(t, test.objects...)
				lease := c.elected()
				if calls := c.stepUnseen(); len(calls) > 0 {
					t.Errorf("calls = %q before the process leads, want none", calls)
				}
				lease.Renewed(c.clock.Now())
				cache, lost := c.cache, false
				c.whenReading(test.read, func() { lose(c, lease); lost = true })
				if calls := c.stepUnseen(); slices.ContainsFunc(calls, isWrite) || !lost {
					t.Errorf("calls = %q after the Lease was lost (%v), want no write", calls, lost)
				}
				c.cache = cache
				lease.Renewed(c.clock.Now())
				if calls := c.stepUnseen(); !slices.Contains(calls, test.want) {
					t.Errorf("calls = %q in the next term, want %q", calls, test.want)
				}
			})
		}
	}
}

func isWrite(call string) bool {
	return !slices.Contains([]string{"get JobExecution", "get Job", "get JobTemplate", "list PodList"}, call)
}

// A process that leads again has not seen what others did meanwhile: the cache is trusted only after a while.
func TestEachTermSettles(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	lease := c.elected()
	c.clock.SetTime(testTime.Add(-time.Hour))
	lease.Renewed(c.clock.Now())
	for c.clock.Now().Before(testTime) {
		c.clock.SetTime(c.clock.Now().Add(leader.RenewDeadline / 2))
		lease.Renewed(c.clock.Now())
	}
	if calls := c.stepUnseen(); slices.Contains(calls, "get JobExecution") {
		t.Errorf("calls = %q in a long term, want no read of the execution past the cache", calls)
	}

	c = newCluster(t, newTemplate(), newExecution())
	c.reconciler.lease = lease
	lease.Lost()
	lease.Renewed(c.clock.Now())
	execution := c.execution()
	execution.Status = deriveStatus(execution, newJob(complete), podSummary{})
	c.setStatus(execution)
	if calls := c.stepUnseen(); !slices.Contains(calls, "get JobExecution") ||
		slices.ContainsFunc(calls, isWriteOfJob) {
		t.Errorf("calls = %q in a new term, want a read of the execution past the cache, and no Job", calls)
	}
}

// However a reconcile ends, its work ends with it: until then, the Lease is not released.
func TestWorkEndsWithEachReconcile(t *testing.T) {
	for reason, objects := range map[string][]client.Object{
		"a Job is created":           {newTemplate(), newExecution()},
		"there is no template":       {newExecution()},
		"there is no execution":      {},
		"the execution has finished": {newTemplate(), newExecution(), newJob(complete)},
	} {
		c := newCluster(t, objects...)
		lease := c.elected()
		lease.Renewed(c.clock.Now())
		key := client.ObjectKeyFromObject(newExecution())
		for range 3 {
			_, _ = c.reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: key})
		}
		if !lease.Idle(0) {
			t.Errorf("%s: the work has not ended", reason)
		}
	}
}

func isWriteOfJob(call string) bool { return call == "create Job" }

// What a process remembers of a Job is true in its later terms too.
func TestMemoryOutlivesTerms(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	lease := c.elected()
	lease.Renewed(c.clock.Now())
	c.stepUnseen()
	lease.Lost()
	c.delete(newJob())
	lease.Renewed(c.clock.Now())
	c.stepUnseen()
	if got := c.summary().Reason; got != dispatcherv1alpha1.ReasonJobDeleted {
		t.Errorf("reason = %s, want JobDeleted", got)
	}
	if diff := cmp.Diff([]string{}, c.jobs()); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

// A term begins with a look at every execution, behind those that are new.
func TestTermsEnqueueAll(t *testing.T) {
	names := []string{"a", "b", "c"}
	var objects []client.Object
	for _, name := range names {
		objects = append(objects, newExecution(func(e *dispatcherv1alpha1.JobExecution) { e.Name = name }))
	}
	c := newCluster(t, objects...)
	lease := c.elected()
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	if err := c.reconciler.enqueueAllOnTerms(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		lease.Lost()
		lease.Renewed(c.clock.Now())
		var enqueued []string
		for range names {
			request, priority, _ := queue.GetWithPriority()
			if priority != handler.LowPriority {
				t.Errorf("priority = %d, want %d", priority, handler.LowPriority)
			}
			enqueued = append(enqueued, request.Name)
			queue.Done(request)
		}
		slices.Sort(enqueued)
		if diff := cmp.Diff(names, enqueued); diff != "" {
			t.Errorf("enqueued (-want +got):\n%s", diff)
		}
	}
}
