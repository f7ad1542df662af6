package controller

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/refusal"
)

// A policy may be changed, so its refusal is not final, whatever its code. What the API server finds invalid is.
func TestDenied(t *testing.T) {
	const (
		webhook = `admission webhook "a.b.c" denied the request: no`
		policy  = `jobs.batch "run" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`
		own     = `Job.batch "run" is invalid: spec: Invalid value: "admission webhook": no`
	)
	for code, reason := range map[int32]metav1.StatusReason{
		0:                                metav1.StatusReasonUnknown,
		http.StatusBadRequest:            metav1.StatusReasonBadRequest,
		http.StatusForbidden:             metav1.StatusReasonForbidden,
		http.StatusNotFound:              metav1.StatusReasonNotFound,
		http.StatusConflict:              metav1.StatusReasonConflict,
		http.StatusGone:                  metav1.StatusReasonGone,
		http.StatusRequestEntityTooLarge: metav1.StatusReasonRequestEntityTooLarge,
		http.StatusUnprocessableEntity:   metav1.StatusReasonInvalid,
	} {
		for _, message := range []string{webhook, policy, own} {
			want := dispatcherv1alpha1.ReasonJobForbidden
			if message == own {
				switch code {
				case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
					want = dispatcherv1alpha1.ReasonJobInvalid
				case 0: // It is no answer of an API server.
					continue
				}
			}
			t.Run(fmt.Sprint(code, message[:9]), func(t *testing.T) {
				c := newCluster(t, newTemplate(), newExecution())
				c.createError = &apierrors.StatusError{ErrStatus: metav1.Status{
					Code: code, Reason: reason, Message: message,
				}}
				if _, _, err := c.reconcile(); err != nil {
					t.Fatal(err)
				}
				if got := c.summary().Reason; got != want {
					t.Errorf("reason = %s, want %s", got, want)
				}
			})
		}
	}
}

// Whoever writes a Job's fields can quote a policy's words, and a policy can use the words and codes of the API server.
func TestWhoRefused(t *testing.T) {
	answer := func(code int32, reason metav1.StatusReason, message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason, Message: message}}
	}
	const (
		webhook = `admission webhook "a.b.c" denied the request: no`
		policy  = `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`
		race    = `Operation cannot be fulfilled on resourcequotas "q": the object has been modified`
	)
	conflict, exists := metav1.StatusReasonConflict, metav1.StatusReasonAlreadyExists
	for _, test := range []struct {
		reason                    string
		err                       error
		denied, contention, taken bool
	}{
		{"a webhook", answer(http.StatusForbidden, metav1.StatusReasonForbidden, webhook), true, false, false},
		{"a policy", answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, policy), true, false, false},
		{"a policy, about a Job", answer(http.StatusForbidden, metav1.StatusReasonForbidden,
			`jobs.batch "run" is forbidden: `+policy), true, false, false},
		{"a policy, about Jobs", answer(http.StatusForbidden, metav1.StatusReasonForbidden,
			`jobs.batch is forbidden: `+policy), true, false, false},
		{"a value that quotes a webhook", answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
			`Job.batch "run" is invalid: spec: Invalid value: `+webhook), false, false, false},
		{"a value that quotes a policy", answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
			`Job.batch "run" is invalid: spec: Invalid value: `+policy), false, false, false},
		{"no API server", errors.New(webhook), false, false, false},

		{"the books of a quota", errQuotaRace, false, true, false},
		{"the books of a quota, in words only", answer(http.StatusConflict, conflict, race), false, true, false},
		{"the books of a quota, by its kind only", &apierrors.StatusError{ErrStatus: metav1.Status{
			Code: http.StatusConflict, Reason: conflict, Details: &metav1.StatusDetails{Kind: "resourcequotas"},
		}}, false, true, false},
		{"a conflict about something else", answer(http.StatusConflict, conflict, "no"), false, false, false},
		{"a quota that is exhausted", answer(http.StatusForbidden, metav1.StatusReasonForbidden, race), false, false,
			false},
		{"a webhook that talks of quotas", answer(http.StatusConflict, conflict,
			`admission webhook "a" denied the request: `+race), true, false, false},

		{"another Job has the name", errTaken, false, false, true},
		{"a webhook that says so", answer(http.StatusConflict, exists, webhook), true, false, false},
	} {
		if got := refusal.ByPolicy(test.err); got != test.denied {
			t.Errorf("%s: denied by a policy: %v, want %v", test.reason, got, test.denied)
		}
		if got := isContention(test.err); got != test.contention {
			t.Errorf("%s: another write came first: %v, want %v", test.reason, got, test.contention)
		}
		if got := isTaken(test.err); got != test.taken {
			t.Errorf("%s: the name is taken: %v, want %v", test.reason, got, test.taken)
		}
	}
}

// An execution that waits for an API server or a webhook that fails says so once, and is retried as an error.
func TestCreateFails(t *testing.T) {
	c := newCluster(t, newTemplate(), newExecution())
	writes := 0
	for i, answer := range []error{errNoRoom, errNoRoom, apierrors.NewInternalError(errors.New("other")), errNoRoom} {
		c.createError = answer
		_, calls, err := c.reconcile()
		if err == nil {
			t.Errorf("try %d: no error", i)
		}
		for _, call := range calls {
			if call == "patch status of JobExecution" {
				writes++
			}
		}
		if i == 0 && writes > 0 {
			t.Error("the status is written at once")
		}
		c.sync()
		c.clock.SetTime(c.clock.Now().Add(failsAfter + time.Second))
	}
	want := createFailed(errNoRoom).Error()
	if got := c.summary(); writes != 1 || got.Reason != dispatcherv1alpha1.ReasonWaiting || got.Message == "" {
		t.Errorf("%d writes, %s: %q, want 1 that tells of %s", writes, got.Reason, got.Message, want)
	}
}

// A failure is told once, after a while, in a message that fits an event. It does not hide why the Job was refused.
func TestFailingStatus(t *testing.T) {
	said := func(reason, message string) func(*dispatcherv1alpha1.JobExecution) {
		return func(execution *dispatcherv1alpha1.JobExecution) {
			execution.Status = waitingStatus(execution, &retryableError{reason: reason, message: message}, testTime)
		}
	}
	for _, test := range []struct {
		reason    string
		execution *dispatcherv1alpha1.JobExecution
		age       time.Duration
		tells     bool
	}{
		{"it may go away", newExecution(), failsAfter - 1, false},
		{"it did not go away", newExecution(), failsAfter, true},
		{"it was told already, of another failure",
			newExecution(said(dispatcherv1alpha1.ReasonWaiting, failingPrefix+"another")), time.Hour, false},
		{"another reason to wait is over",
			newExecution(said(dispatcherv1alpha1.ReasonWaiting, "for a name")), time.Hour, true},
		{"the Job was refused before",
			newExecution(said(dispatcherv1alpha1.ReasonJobForbidden, "a quota")), time.Hour, false},
	} {
		failing := &failingError{cause: errors.New(strings.Repeat("ü", 4000))}
		status := failingStatus(test.execution, failing, testTime.Add(test.age))
		if tells := !equality.Semantic.DeepEqual(test.execution.Status, status); tells != test.tells {
			t.Errorf("%s: the status changes: %v, want %v", test.reason, tells, test.tells)
		}
		if got := status.Summary().Message; test.tells && (!strings.HasPrefix(got, failingPrefix) || len(got) > maxNote) {
			t.Errorf("%s: the message has %d bytes: %.60s", test.reason, len(got), got)
		}
	}
}

// Only what an API server has answered is a failure of its own.
func TestCreateFailed(t *testing.T) {
	var failing *failingError
	if !errors.As(createFailed(errNoRoom), &failing) {
		t.Error("the answer of an API server is none")
	}
	if errors.As(createFailed(errors.New("connection refused")), &failing) {
		t.Error("an answer that never came is one of an API server")
	}
}
