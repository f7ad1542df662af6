package controller

import (
	"errors"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var jobs = schema.GroupResource{Group: "batch", Resource: "jobs"}

// What the API server may answer to the creation of a Job.
var (
	errQuota     = apierrors.NewForbidden(jobs, "run", errors.New("exceeded quota"))
	errBadJob    = apierrors.NewInvalid(batchv1.SchemeGroupVersion.WithKind("Job").GroupKind(), "run", field.ErrorList{field.Required(field.NewPath("spec"), "")})
	errNoRoom    = apierrors.NewInternalError(errors.New("etcd is full"))
	errTaken     = apierrors.NewAlreadyExists(jobs, "run")
	errQuotaRace = apierrors.NewConflict(jobs, "run", errors.New("the quota has changed"))
	errGone      = apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "default")
)

func errTerminating() error {
	err := apierrors.NewForbidden(jobs, "run", errors.New("the namespace is being terminated"))
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	return err
}

func TestCreateJob(t *testing.T) {
	foreign := func(job *batchv1.Job) { job.OwnerReferences = nil }
	ofEarlierRun := func(job *batchv1.Job) { job.OwnerReferences[0].UID = "uid-of-earlier-execution" }
	ofCronJob := func(job *batchv1.Job) {
		job.OwnerReferences[0].APIVersion, job.OwnerReferences[0].Kind, job.OwnerReferences[0].Name = "batch/v1", "CronJob", "nightly"
		job.OwnerReferences[0].UID = "uid-of-nightly"
	}
	for _, test := range []struct {
		reason  string
		answer  error
		job     *batchv1.Job // on the server, and not in the cache
		want    string
		final   bool
		retried bool
	}{
		{"an invalid Job does not get better", errBadJob, nil, "JobInvalid", true, false},
		{"a malformed Job neither", apierrors.NewBadRequest("cannot be decoded"), nil, "JobInvalid", true, false},
		{"a Job that is too large neither", apierrors.NewRequestEntityTooLargeError("limit is 3145728"), nil, "JobInvalid", true, false},
		{"a Job that etcd does not take neither", apierrors.NewInternalError(errors.New("etcdserver: request is too large")), nil, "JobInvalid", true, false},
		{"a quota may be raised", errQuota, nil, "JobForbidden", false, true},
		{"the API server's own trouble is not worth a word", errNoRoom, nil, "Waiting", false, true},
		{"a conflict in the quota's books comes with no watch event", errQuotaRace, nil, "Waiting", false, true},
		{"nothing is created in a namespace that goes", errTerminating(), nil, "Waiting", false, false},
		{"nothing is created in a namespace that is gone", errGone, nil, "Waiting", false, false},
		{"a Job of the execution's own is found", errTaken, newJob(active), "Running", false, false},
		{"it is found behind a quota that it exhausts itself", errQuota, newJob(active), "Running", false, false},
		{"it is found behind a policy that came after it", errBadJob, newJob(active), "Running", false, false},
		{"it is found although it lost its label", errTaken, newJob(active, func(job *batchv1.Job) { job.Labels = nil }), "Running", false, false},
		{"a Job that belongs to nothing is left alone", errTaken, newJob(foreign), "JobNameConflict", true, false},
		{"a Job that belongs to something else is left alone", errTaken, newJob(ofCronJob), "JobNameConflict", true, false},
		{"the Job of an earlier execution of this name will go", errTaken, newJob(ofEarlierRun), "Waiting", false, true},
		{"a Job that is on its way will go", errTaken, newJob(foreign, deleting, finalized), "Waiting", false, true},
		{"a Job that went just now leaves room", errTaken, nil, "Waiting", false, true},
		{"a foreign Job does not turn a quota into a conflict", errQuota, newJob(foreign), "JobForbidden", false, true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			server := []client.Object{newTemplate(), newExecution()}
			if test.job != nil {
				server = append(server, test.job)
			}
			c := newLaggingCluster(t, store(server...), store(newTemplate(), newExecution()))
			c.createError = test.answer
			_, calls, err := c.reconcile()
			if retried := err != nil; retried != test.retried {
				t.Errorf("error = %v, want one: %v", err, test.retried)
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

// An execution that is held up says so once, however often it is tried, and goes on when it can.
func TestForbiddenOnce(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	c.createError = errQuota
	writes := 0
	for range 3 {
		_, calls, err := c.reconcile()
		if !apierrors.IsForbidden(err) {
			t.Fatalf("error = %v, want the API server's, to be tried again", err)
		}
		c.sync()
		for _, call := range calls {
			if strings.HasPrefix(call, "patch") {
				writes++
			}
		}
	}
	if writes != 1 {
		t.Errorf("%d writes, want 1", writes)
	}
	c.createError = apierrors.NewForbidden(jobs, "run", errors.New("exceeded another quota"))
	if _, _, err := c.reconcile(); err == nil {
		t.Fatal("want an error, to be tried again")
	}
	c.sync()
	if got := c.summary().Message; !strings.Contains(got, "another quota") {
		t.Errorf("the message %q does not tell what holds it up now", got)
	}
	if got := c.events(); !slices.Equal(got, []string{"Warning JobForbidden"}) {
		t.Errorf("events = %q, want one", got)
	}

	c.createError = nil
	c.step()
	c.step()
	if got := c.summary().Reason; got != "Waiting" {
		t.Errorf("reason = %s after the quota was raised, want Waiting", got)
	}
}
