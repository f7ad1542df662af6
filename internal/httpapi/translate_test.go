package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	busy        = "the Kubernetes API server is busy: try again later"
	slow        = "the Kubernetes API server did not answer in time"
	away        = "the Kubernetes API server is not available: try again later"
	unjudged    = "the admission webhook that judges executions cannot be reached: try again later"
	tooBig      = "the payload is larger than the Kubernetes API server can store; escaped as JSON it grows"
	notAllowed  = `Dispatcher is not allowed to execute JobTemplates in namespace "team-a"`
	notRunnable = `JobTemplate "nightly" in namespace "team-a" cannot be executed with this payload`
	fault       = "an internal error occurred; the log tells more under this request id"
)

// Every answer of the API server, and what a caller is told. Each answer goes through the real client.
func TestAnswersOfTheAPIServer(t *testing.T) {
	path := field.NewPath("spec", "jobTemplate", "spec", "template", "spec", "containers").Index(0).Child("image")
	for _, test := range []struct {
		reason         string
		answer         *apierrors.StatusError
		plain          func(w http.ResponseWriter) // for answers that are no Status
		want           problem
		wantRetryAfter string
	}{
		{reason: "the webhook finds no template",
			answer: byWebhook(apierrors.NewInvalid(executionKind, "n", field.ErrorList{field.NotFound(field.NewPath("spec", "jobTemplateName"), "nightly")})),
			want: problem{Status: 404, Reason: reasonJobTemplateNotFound, Detail: `there is no JobTemplate "nightly" in namespace "team-a"`,
				Errors: []fieldError{{"spec.jobTemplateName", `Not found: "nightly"`}}}},
		{reason: "the template does not render",
			answer: byWebhook(apierrors.NewInvalid(executionKind, "n", field.ErrorList{
				field.Invalid(path, "{{ .Payload | fromJson }}", "invalid character"), field.Required(path, "")})),
			want: problem{Status: 422, Reason: reasonInvalid, Detail: notRunnable, Errors: []fieldError{
				{"spec.jobTemplate.spec.template.spec.containers[0].image", `Invalid value: "{{ .Payload | fromJson }}": invalid character`},
				{"spec.jobTemplate.spec.template.spec.containers[0].image", "Required value"}}}},
		{reason: "a missing name elsewhere is not a missing template",
			answer: apierrors.NewInvalid(executionKind, "n", field.ErrorList{field.NotFound(field.NewPath("spec", "other"), "x")}),
			want: problem{Status: 422, Reason: reasonInvalid, Detail: notRunnable,
				Errors: []fieldError{{"spec.other", `Not found: "x"`}}}},
		{reason: "a policy gives no causes",
			answer: policy(422, metav1.StatusReasonInvalid, `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not on Fridays`),
			want:   problem{Status: 422, Reason: reasonInvalid, Detail: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not on Fridays`}},

		{reason: "no such namespace", answer: apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "team-a"),
			want: problem{Status: 404, Reason: reasonNamespaceNotFound, Detail: `there is no namespace "team-a"`}},
		{reason: "the CRD is not installed", answer: apierrors.NewGenericServerResponse(404, "post", executionsResource, "", "404 page not found", 0, true),
			want: problem{Status: 500, Reason: reasonInternalError, Detail: fault}},
		{reason: "the namespace goes away", answer: terminating(),
			want: problem{Status: 409, Reason: reasonNamespaceTerminating, Detail: `the namespace "team-a" is being deleted`}},

		{reason: "RBAC: the ServiceAccount's name is not the caller's business",
			answer: apierrors.NewForbidden(executionsResource, "", errors.New(`User "system:serviceaccount:dispatcher-system:dispatcher" cannot create resource "jobexecutions"`)),
			want:   problem{Status: 403, Reason: reasonForbidden, Detail: notAllowed}},
		{reason: "a quota is the caller's business",
			answer: apierrors.NewForbidden(executionsResource, "n", errors.New("exceeded quota: q, requested: count/jobexecutions.dispatcher.ivan.vc=1, used: 5, limited: 5")),
			want: problem{Status: 403, Reason: reasonForbidden,
				Detail: `jobexecutions.dispatcher.ivan.vc "n" is forbidden: exceeded quota: q, requested: count/jobexecutions.dispatcher.ivan.vc=1, used: 5, limited: 5`}},
		{reason: "so is another webhook's refusal", answer: byWebhook(apierrors.NewForbidden(executionsResource, "n", errors.New("not you"))),
			want: problem{Status: 403, Reason: reasonForbidden,
				Detail: `admission webhook "x" denied the request: jobexecutions.dispatcher.ivan.vc "n" is forbidden: not you`}},
		{reason: "whatever code it uses", answer: byWebhook(apierrors.NewBadRequest("no")),
			want: problem{Status: 403, Reason: reasonForbidden, Detail: `admission webhook "x" denied the request: no`}},
		{reason: "our own credentials are refused", answer: apierrors.NewUnauthorized("token of dispatcher expired"),
			want: problem{Status: 503, Reason: reasonUnavailable, Detail: away}, wantRetryAfter: "5"},
		{reason: "we sent nonsense", answer: apierrors.NewBadRequest("strict decoding error"),
			want: problem{Status: 500, Reason: reasonInternalError, Detail: fault}},

		{reason: "too large a request", answer: apierrors.NewRequestEntityTooLargeError("limit is 3145728"),
			want: problem{Status: 413, Reason: reasonPayloadTooLarge, Detail: tooBig}},
		{reason: "too large for etcd", answer: apierrors.NewInternalError(errors.New("etcdserver: request is too large")),
			want: problem{Status: 413, Reason: reasonPayloadTooLarge, Detail: tooBig}},
		{reason: "too large for etcd's client", answer: apierrors.NewInternalError(errors.New("rpc error: code = ResourceExhausted desc = trying to send message larger than max (2097253 vs. 2097152)")),
			want: problem{Status: 413, Reason: reasonPayloadTooLarge, Detail: tooBig}},

		{reason: "busy, with a time", answer: apierrors.NewTooManyRequests("later", 7), wantRetryAfter: "7",
			want: problem{Status: 429, Reason: reasonTooManyRequests, Detail: busy}},
		{reason: "busy, without one", answer: apierrors.NewTooManyRequestsError("later"), wantRetryAfter: "1",
			want: problem{Status: 429, Reason: reasonTooManyRequests, Detail: busy}},
		{reason: "busy, as priority and fairness says it", plain: func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3")
			http.Error(w, "Too many requests, please try again later.", http.StatusTooManyRequests)
		}, wantRetryAfter: "3", want: problem{Status: 429, Reason: reasonTooManyRequests, Detail: busy}},

		{reason: "the webhook is away", answer: apierrors.NewInternalError(errors.New(`failed calling webhook "jobexecution.dispatcher.ivan.vc": failed to call webhook: Post "https://10.0.0.1:9443": dial tcp: connection refused`)),
			wantRetryAfter: "5", want: problem{Status: 503, Reason: reasonUnavailable, Detail: unjudged}},
		{reason: "the webhook cannot judge", answer: byWebhook(apierrors.NewServiceUnavailable("reading the template: dial tcp 10.0.0.1:443: connection refused")),
			wantRetryAfter: "5", want: problem{Status: 503, Reason: reasonUnavailable, Detail: away}},
		{reason: "the webhook has no time left", answer: byWebhook(apierrors.NewTimeoutError("no time was left to render", 0)),
			want: problem{Status: 504, Reason: reasonTimeout, Detail: slow}},
		{reason: "unavailable", answer: apierrors.NewServiceUnavailable("shutting down"), wantRetryAfter: "5",
			want: problem{Status: 503, Reason: reasonUnavailable, Detail: away}},
		{reason: "unavailable, says a proxy before it", plain: func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "30")
			http.Error(w, "upstream 10.1.2.3 is gone", http.StatusServiceUnavailable)
		}, wantRetryAfter: "30", want: problem{Status: 503, Reason: reasonUnavailable, Detail: away}},
		{reason: "a bad gateway", plain: func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) }, wantRetryAfter: "5",
			want: problem{Status: 503, Reason: reasonUnavailable, Detail: away}},
		{reason: "etcd has no leader", answer: apierrors.NewInternalError(errors.New("etcdserver: leader changed")), wantRetryAfter: "5",
			want: problem{Status: 503, Reason: reasonUnavailable, Detail: away}},
		{reason: "an answer that is none", plain: func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte("{"))
		}, wantRetryAfter: "5", want: problem{Status: 503, Reason: reasonUnavailable, Detail: away}},

		{reason: "its time ran out", answer: apierrors.NewTimeoutError("request did not complete", 0), want: problem{Status: 504, Reason: reasonTimeout, Detail: slow}},
		{reason: "try again, says the server", answer: apierrors.NewServerTimeout(executionsResource, "create", 1), want: problem{Status: 504, Reason: reasonTimeout, Detail: slow}},
		{reason: "a gateway's time ran out", plain: func(w http.ResponseWriter) { http.Error(w, "", http.StatusGatewayTimeout) }, want: problem{Status: 504, Reason: reasonTimeout, Detail: slow}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.onCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
				if test.plain != nil {
					test.plain(w)
				} else {
					answerError(w, test.answer)
				}
				return true
			}
			response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodPut, "/execute/team-a/nightly", strings.NewReader("p")))
			got := problemOf(t, response)
			test.want.Type, test.want.Title, test.want.RequestID = got.Type, got.Title, got.RequestID
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			if got := response.Header.Get("Retry-After"); got != test.wantRetryAfter {
				t.Errorf("Retry-After = %q, want %q", got, test.wantRetryAfter)
			}
			if creates := strings.Count(strings.Join(api.methods(), " "), http.MethodPost); creates != 1 {
				t.Errorf("the create was sent %d times, want once", creates)
			}
		})
	}
}

func TestUnreachableAPIServer(t *testing.T) {
	server := newServer(testDependencies(unreachable(t)), testOptions(), logr.Discard())
	response := serve(server, httptest.NewRequest(http.MethodPut, "/execute/t", nil))
	if got := problemOf(t, response); got.Reason != reasonUnavailable || got.Detail != away || response.Header.Get("Retry-After") != "5" {
		t.Errorf("got %+v, Retry-After %q", got, response.Header.Get("Retry-After"))
	}
	if len(server.leftovers.entries) > 0 {
		t.Error("without a connection nothing was created, so nothing is to be looked for")
	}
}

func TestUnansweredCalls(t *testing.T) {
	for _, test := range []struct {
		err    error
		want   reason
		reason string
	}{
		{fmt.Errorf("create: %w", context.DeadlineExceeded), reasonTimeout, "our own time-out"},
		{&url.Error{Op: "Post", URL: "https://10.0.0.1", Err: os.ErrDeadlineExceeded}, reasonTimeout, "the network's"},
		{&url.Error{Op: "Post", URL: "https://10.0.0.1", Err: io.EOF}, reasonUnavailable, "a connection that broke"},
		{errors.New("x509: certificate signed by unknown authority"), reasonUnavailable, "a certificate that is wrong"},
	} {
		if got := translate(test.err, target{}); got.reason != test.want || strings.Contains(got.detail, "10.0.0.1") {
			t.Errorf("%s: got %+v, want %s", test.reason, got, test.want)
		}
	}
}

// unreachable is a client of an API server whose port nothing listens on.
func unreachable(t *testing.T) *apiServer {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	return (&fakeAPIServer{url: gone.URL}).client(t)
}

// byWebhook is err as the API server reports it after a webhook has answered with it.
func byWebhook(err *apierrors.StatusError) *apierrors.StatusError {
	err.ErrStatus.Message = fmt.Sprintf("admission webhook %q denied the request: %s", "x", err.ErrStatus.Message)
	return err
}

func policy(code int32, reason metav1.StatusReason, message string) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}

func terminating() *apierrors.StatusError {
	err := apierrors.NewForbidden(executionsResource, "n", errors.New("unable to create new content in namespace team-a because it is being terminated"))
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause, Field: "metadata.namespace"}}
	return err
}
