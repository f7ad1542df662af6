package controller

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var jobs = schema.GroupResource{Group: "batch", Resource: "jobs"}

// What the API server may answer to the creation of a Job.
var (
	errQuota  = apierrors.NewForbidden(jobs, "run", errors.New("exceeded quota"))
	errBadJob = apierrors.NewInvalid(
		batchv1.SchemeGroupVersion.WithKind("Job").GroupKind(),
		"run",
		field.ErrorList{field.Required(field.NewPath("spec"), "")},
	)
	errNoRoom    = apierrors.NewInternalError(errors.New("etcd is full"))
	errTaken     = apierrors.NewAlreadyExists(jobs, "run")
	errQuotaRace = apierrors.NewConflict(
		schema.GroupResource{Resource: "resourcequotas"}, "quota", errors.New("the quota has changed"),
	)
	errGone = apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "default")

	errNotFoundByWebhook = &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: `admission webhook "policy" denied the request`,
	}}
	errOtherNamespace = apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "another")
	errOtherGroup     = apierrors.NewNotFound(schema.GroupResource{Group: "example.com", Resource: "namespaces"}, "default")
	errOverload       = apierrors.NewTooManyRequests("later", 1)
	errTimeout        = &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusRequestTimeout}}
	errTeapot         = &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusTeapot, Message: "denied"}}
)

// retry is what becomes of a reconcile: it fails, or is to be repeated within some time, or neither.
type retry struct {
	fails       bool
	least, most time.Duration
}

var (
	ends     = retry{}
	fails    = retry{fails: true}
	contends = retry{least: minWaitInterval, most: 2 * minWaitInterval}
	waits    = retry{least: minWaitInterval, most: minWaitInterval * 6 / 5}
	rests    = retry{least: maxWaitInterval, most: maxWaitInterval * 6 / 5}
)

func errTerminating() error {
	err := apierrors.NewForbidden(jobs, "run", errors.New("the namespace is being terminated"))
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	return err
}

func TestCreateJob(t *testing.T) {
	foreign := func(job *batchv1.Job) { job.OwnerReferences = nil }
	ofEarlierRun := func(job *batchv1.Job) { job.OwnerReferences[0].UID = "uid-of-earlier-execution" }
	ofOtherRun := func(job *batchv1.Job) {
		job.OwnerReferences[0].Name, job.OwnerReferences[0].UID = "other", "uid-of-other-execution"
	}
	ofNightly := func(job *batchv1.Job) {
		job.OwnerReferences[0].APIVersion, job.OwnerReferences[0].Kind, job.OwnerReferences[0].Name = "batch/v1", "CronJob", "nightly"
		job.OwnerReferences[0].UID = "uid-of-nightly"
	}
	for _, test := range []struct {
		reason string
		answer error
		job    *batchv1.Job // on the server, and not in the cache
		want   string
		final  bool
		retry  retry
	}{
		{"an invalid Job does not get better", errBadJob, nil, "JobInvalid", true, ends},
		{"a malformed Job neither", apierrors.NewBadRequest("cannot be decoded"), nil, "JobInvalid", true, ends},
		{"a Job that is too large neither", apierrors.NewRequestEntityTooLargeError("limit is 3145728"), nil,
			"JobInvalid", true, ends},
		{"a Job that etcd does not take neither",
			apierrors.NewInternalError(errors.New("etcdserver: request is too large")), nil, "JobInvalid", true, ends},
		{"a quota may be raised", errQuota, nil, "JobForbidden", false, waits},
		{"a webhook may refuse with any code", errNotFoundByWebhook, nil, "JobForbidden", false, waits},
		{"even one that seems to be about a namespace", errOtherNamespace, nil, "JobForbidden", false, waits},
		{"and one that no API server uses", errTeapot, nil, "JobForbidden", false, waits},
		{"even in another group that calls something namespaces", errOtherGroup, nil, "JobForbidden", false, waits},
		{"an API server that has too much to do refuses nothing", errOverload, nil, "Waiting", false, fails},
		{"nor does one whose caller was too slow", errTimeout, nil, "Waiting", false, fails},
		{"the API server's own trouble is not in the status", errNoRoom, nil, "Waiting", false, fails},
		{"a conflict in the quota's books comes with no watch event", errQuotaRace, nil, "Waiting", false, contends},
		{"nothing is created in a namespace that goes", errTerminating(), nil, "Waiting", false, rests},
		{"nothing is created in a namespace that is gone", errGone, nil, "Waiting", false, rests},
		{"a Job of the execution's own is found", errTaken, newJob(active), "Running", false, ends},
		{"it is found behind a quota that it exhausts itself", errQuota, newJob(active), "Running", false, ends},
		{"it is found behind a policy that came after it", errBadJob, newJob(active), "Running", false, ends},
		{"it is found although it lost its label", errTaken,
			newJob(active, func(job *batchv1.Job) { job.Labels = nil }), "Running", false, ends},
		{"a Job that belongs to nothing is left alone", errTaken, newJob(foreign), "JobNameConflict", true, ends},
		{"a Job that belongs to something else is left alone", errTaken, newJob(ofNightly), "JobNameConflict", true,
			ends},
		{"a Job of another execution is left alone", errTaken, newJob(ofOtherRun), "JobNameConflict", true, ends},
		{"the Job of an earlier execution of this name will go", errTaken, newJob(ofEarlierRun), "Waiting", false,
			waits},
		{"a Job that is being deleted will go", errTaken, newJob(foreign, deleting, finalized), "Waiting", false,
			waits},
		{"a Job that went just now leaves room", errTaken, nil, "Waiting", false, contends},
		{"a foreign Job does not turn a quota into a conflict", errQuota, newJob(foreign), "JobForbidden", false,
			waits},
	} {
		t.Run(test.reason, func(t *testing.T) {
			server := []client.Object{newTemplate(), newExecution()}
			if test.job != nil {
				server = append(server, test.job)
			}
			c := newLaggingCluster(t, store(server...), store(newTemplate(), newExecution()))
			c.createError = test.answer
			result, calls, err := c.reconcile()
			if after := result.RequeueAfter; (err != nil) != test.retry.fails || after < test.retry.least ||
				after > test.retry.most {
				t.Errorf("error = %v, retried after %v, want %+v", err, after, test.retry)
			}
			if got := c.summary().Reason; got != test.want {
				t.Errorf("reason = %s, want %s", got, test.want)
			}
			if got := c.execution().IsFinished(); got != test.final {
				t.Errorf("finished = %v, want %v", got, test.final)
			}
			if slices.Contains(calls, "list JobList") {
				t.Errorf("calls = %q, want no list: the name of the Job is known", calls)
			}
		})
	}
}

// An execution that waits says so once, is tried at growing intervals, without an error, and goes on when it can.
func TestForbiddenOnce(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	c.createError = errQuota
	writes := 0
	try := func() time.Duration {
		t.Helper()
		result, calls, err := c.reconcile()
		if err != nil || !slices.Contains(calls, "create Job") {
			t.Fatalf("calls = %q, error = %v, want a try and no error", calls, err)
		}
		c.sync()
		for _, call := range calls {
			if strings.HasPrefix(call, "patch") {
				writes++
			}
		}
		return result.RequeueAfter
	}
	for range 16 {
		waited := min(max(c.clock.Since(testTime), minWaitInterval), maxWaitInterval)
		after := try()
		if after < waited || after > waited*6/5 {
			t.Errorf("after %v, it is tried again in %v, want about %v", c.clock.Since(testTime), after, waited)
		}
		c.clock.SetTime(c.clock.Now().Add(after))
	}
	if waited := c.clock.Since(testTime); waited < maxWaitInterval {
		t.Fatalf("it has waited for %v, which shows no longest interval", waited)
	}
	if writes != 1 {
		t.Errorf("%d writes, want 1", writes)
	}
	c.createError = apierrors.NewForbidden(jobs, "run", errors.New("exceeded another quota"))
	try()
	if got := c.summary().Message; !strings.Contains(got, "another quota") {
		t.Errorf("the message %q does not tell what it waits for now", got)
	}
	if got := c.events(); !slices.Equal(got, []string{"Warning JobForbidden"}) {
		t.Errorf("events = %q, want one", got)
	}

	c.createError = nil
	c.clock.SetTime(c.clock.Now().Add(2 * maxWaitInterval))
	c.step()
	c.step()
	if got := c.summary().Reason; got != "Waiting" {
		t.Errorf("reason = %s after the quota was raised, want Waiting", got)
	}
}

// A refusal that has another text each time, such as the number of a decision, changes the status, which enqueues the
// execution. It is tried again no earlier for that, unless it is canceled.
func TestForbiddenWithAnotherTextEachTime(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	c.clock.SetTime(at(60).Time)
	for decision := range 5 {
		denied := apierrors.NewForbidden(jobs, "run", nil)
		denied.ErrStatus.Message = fmt.Sprintf(`admission webhook "x.y.z" denied the request: decision %d`, decision)
		c.createError = denied
		due, calls, err := c.reconcile()
		if err != nil || !slices.Contains(calls, "create Job") || !strings.Contains(c.summary().Message, denied.Error()) {
			t.Fatalf("calls = %q, error = %v, message = %q", calls, err, c.summary().Message)
		}
		c.sync()
		c.clock.SetTime(c.clock.Now().Add(due.RequeueAfter / 2))
		early, calls, err := c.reconcile()
		if err != nil || slices.Contains(calls, "create Job") || early.RequeueAfter > due.RequeueAfter/2+1 {
			t.Fatalf("by its own event: calls = %q, error = %v, retried after %v", calls, err, early.RequeueAfter)
		}
		c.clock.SetTime(c.clock.Now().Add(early.RequeueAfter))
	}
	if _, _, err := c.reconcile(); err != nil {
		t.Fatal(err)
	}
	cancel := c.execution()
	cancel.Spec.Canceled = true
	if err := c.server.Update(t.Context(), cancel); err != nil {
		t.Fatal(err)
	}
	c.sync()
	c.step()
	if got := c.summary().Reason; got != dispatcherv1alpha1.ReasonCanceled {
		t.Errorf("reason = %s, want Canceled", got)
	}
}

// What a status quotes of a Job that belongs to somebody else is bounded: the API server refuses a longer message.
func TestNameConflictWithALongOwner(t *testing.T) {
	owned := func(job *batchv1.Job) {
		job.OwnerReferences[0].UID = "uid-of-other"
		job.OwnerReferences[0].Kind = strings.Repeat("K", 100_000)
		job.OwnerReferences[0].Name = strings.Repeat("n", 100_000)
	}
	c := newCluster(t, newTemplate(), newExecution(), newJob(owned))
	c.createError = errTaken
	c.step()
	summary := c.summary()
	if summary.Reason != dispatcherv1alpha1.ReasonJobNameConflict || len(summary.Message) > 1024 {
		t.Errorf("reason = %s, message of %d bytes, want JobNameConflict and at most 1024", summary.Reason, len(summary.Message))
	}
}
