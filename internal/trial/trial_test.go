package trial

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
)

func TestResultOf(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	const (
		stored = iota
		invalid
		refused
		notJudged
	)
	for _, test := range []struct {
		reason string
		err    error
		want   int
	}{
		{"created", nil, stored},
		{"the Job is wrong", apierrors.NewInvalid(schema.GroupKind{Kind: "Job"}, "a",
			field.ErrorList{field.Required(field.NewPath("spec"), "")}), invalid},
		{"the Job is too large", apierrors.NewRequestEntityTooLargeError("limit is 3145728"), invalid},
		{"a Job has this name already", apierrors.NewAlreadyExists(jobs, "a"), refused},
		{"a quota or a terminating namespace", apierrors.NewForbidden(jobs, "a", errors.New("exceeded quota")), refused},
		{"another webhook has side effects", apierrors.NewBadRequest(`webhook "x" does not support dry run`), refused},
		{"another webhook's own code", &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusTeapot}}, refused},
		{"a conflict in a quota", apierrors.NewConflict(jobs, "a", errors.New("changed")), refused},
		{"the namespace is gone", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "a"), refused},
		{"the API server is slow", apierrors.NewTimeoutError("slow", 1), notJudged},
		{"the request took too long to arrive",
			&apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusRequestTimeout}}, notJudged},
		{"another webhook does not answer", apierrors.NewInternalError(errors.New("failed calling webhook")), notJudged},
		{"overload", apierrors.NewTooManyRequests("later", 1), notJudged},
		{"etcd is away", apierrors.NewServiceUnavailable("etcd"), notJudged},
		{"our token expired", apierrors.NewUnauthorized("expired"), notJudged},
		{"a proxy forbids it", apierrors.NewGenericServerResponse(403, "post", jobs, "a", "<html>", 0, true), notJudged},
		{"a proxy has no such page", apierrors.NewGenericServerResponse(404, "post", jobs, "a", "<html>", 0, true), notJudged},
		{"a proxy finds it wrong", apierrors.NewGenericServerResponse(422, "post", jobs, "a", "<html>", 0, true), notJudged},
		{"a proxy finds it too large", apierrors.NewGenericServerResponse(413, "post", jobs, "a", "<html>", 0, true), invalid},
		{"an answer that says nothing", &apierrors.StatusError{}, notJudged},
		{"no answer", context.DeadlineExceeded, notJudged},
	} {
		result, err := resultOf(nil, &batchv1.Job{}, test.err)
		got := stored
		switch {
		case err != nil:
			got = notJudged
		case len(result.Errors) > 0:
			got = invalid
		case result.Refusal != nil:
			got = refused
		}
		if got != test.want {
			t.Errorf("%s: resultOf(nil, %v) = %d, want %d", test.reason, test.err, got, test.want)
		}
		wantRefusal := test.want == refused || test.want == invalid
		if (result.Job != nil) != (test.want == stored) || (result.Refusal != nil) != wantRefusal {
			t.Errorf("%s: Job %v, refusal %v", test.reason, result.Job, result.Refusal)
		}
	}
}

// client returns a client of an API server that answers as handler does.
func client(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := New(&rest.Config{Host: server.URL}, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func answer(t *testing.T, w http.ResponseWriter, code int, object any) {
	t.Helper()
	if status, ok := object.(metav1.Status); ok {
		status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		object = status
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(object); err != nil {
		t.Error(err)
	}
}

func TestTryStoresNothingAndGivesUpWithItsCaller(t *testing.T) {
	var asked *http.Request
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r
		w.Header().Add("Warning", `299 - "spec.suspend: odd"`)
		w.Header().Add("Warning", `299 - "metadata.name: odd"`)
		job := &batchv1.Job{}
		if err := json.NewDecoder(r.Body).Decode(job); err != nil {
			t.Error(err)
		}
		job.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
		job.UID = "1"
		answer(t, w, http.StatusCreated, job)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := c.Try(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "a"}})
	if err != nil || result.Refusal != nil || result.Job == nil || result.Job.UID != "1" || result.Job.Name != "a" {
		t.Fatalf("got %+v, %v", result, err)
	}
	if diff := cmp.Diff([]string{"spec.jobTemplate.spec.suspend: odd"}, result.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if asked.Method != http.MethodPost || asked.URL.Path != "/apis/batch/v1/namespaces/team/jobs" {
		t.Errorf("asked %s %s", asked.Method, asked.URL)
	}
	if dryRun := asked.URL.Query().Get("dryRun"); dryRun != "All" {
		t.Errorf("dryRun is %q", dryRun)
	}
	if wait, err := time.ParseDuration(asked.URL.Query().Get("timeout")); err != nil || wait <= 0 || wait > time.Minute {
		t.Errorf("the API server was told to take %v, %v", wait, err)
	}
}

func TestTryTellsTheRefusalInTheTemplatesFields(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Warning", `299 - "odd"`)
		err := apierrors.NewInvalid(schema.GroupKind{Group: "batch", Kind: "Job"}, "a",
			field.ErrorList{field.Required(field.NewPath("spec", "template"), "")})
		answer(t, w, http.StatusUnprocessableEntity, err.Status())
	})
	result, err := c.Try(t.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "team"}})
	if err != nil || result.Job != nil {
		t.Fatalf("got %+v, %v", result, err)
	}
	if len(result.Errors) != 1 || result.Errors[0].Field != "spec.jobTemplate.spec.template" {
		t.Errorf("errors %v", result.Errors)
	}
	if !apierrors.IsInvalid(result.Refusal) {
		t.Errorf("refusal %v, want Invalid", result.Refusal)
	}
	if diff := cmp.Diff([]string{"spec.jobTemplate: odd"}, result.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// loggedWarnings are those that a client handles itself instead of returning them.
type loggedWarnings []string

func (l *loggedWarnings) HandleWarningHeader(_ int, _, text string) { *l = append(*l, text) }

// Authors' warnings are for authors: they do not fill the manager's log.
func TestWarningsAreOnlyReturned(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Warning", `299 - "odd"`)
		answer(t, w, http.StatusCreated, &batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}})
	}))
	t.Cleanup(server.Close)
	logged := &loggedWarnings{}
	c, err := New(&rest.Config{Host: server.URL, WarningHandler: logged}, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.Try(t.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "team"}})
	if err != nil || len(result.Warnings) != 1 || len(*logged) > 0 {
		t.Errorf("got %q, %v; logged were %q", result.Warnings, err, *logged)
	}
}

func TestTryDoesNotRepeat(t *testing.T) {
	requests := 0
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Retry-After", "1")
		answer(t, w, http.StatusTooManyRequests, apierrors.NewTooManyRequests("later", 1).Status())
	})
	_, err := c.Try(t.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "team"}})
	if !apierrors.IsTooManyRequests(err) || !strings.Contains(err.Error(), "trying the rendered Job") {
		t.Errorf("got %v, want the API server's 429 with what was being done", err)
	}
	if requests != 1 {
		t.Errorf("%d requests, want 1", requests)
	}
}
