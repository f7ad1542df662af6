package store

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

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// told is what the test checks of a problem.
type told struct {
	Status int
	Reason problem.Reason
	Fields []string

	// Tells is the detail where somebody else wrote it for the caller, empty where it is ours to write.
	Tells string
}

// Every answer of the API server, and what a caller is told. Each answer goes through the real client.
func TestAnswersOfTheAPIServer(t *testing.T) {
	path := field.NewPath("spec", "jobTemplate", "spec", "template", "spec", "containers").Index(0).Child("image")
	for _, test := range []struct {
		reason         string
		answer         *apierrors.StatusError
		plain          func(w http.ResponseWriter) // for answers that are no Status
		want           told
		wantRetryAfter int
	}{
		{reason: "the webhook finds no template",
			answer: byWebhook(apierrors.NewInvalid(apitest.ExecutionKind, "n",
				field.ErrorList{field.NotFound(field.NewPath("spec", "jobTemplateName"), "nightly")})),
			want: told{Status: 404, Reason: problem.JobTemplateNotFound,
				Fields: []string{"spec.jobTemplateName"}}},
		{reason: "the template is suspended",
			answer: byWebhook(&apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 409,
				Reason: metav1.StatusReasonForbidden, Message: "x", Details: &metav1.StatusDetails{
					Causes: []metav1.StatusCause{{Type: dispatcherv1alpha1.CauseTemplateSuspended}}}}}),
			want: told{Status: 409, Reason: problem.TemplateSuspended, Fields: []string{"spec.jobTemplateName"}}},
		{reason: "the template does not render",
			answer: byWebhook(apierrors.NewInvalid(apitest.ExecutionKind, "n", field.ErrorList{
				field.Invalid(path, "{{ .Payload | fromJson }}", "invalid character"), field.Required(path, "")})),
			want: told{Status: 422, Reason: problem.Invalid,
				Fields: []string{"spec.jobTemplate.spec.template.spec.containers[0].image",
					"spec.jobTemplate.spec.template.spec.containers[0].image"}}},
		{reason: "a missing name elsewhere is not a missing template",
			answer: apierrors.NewInvalid(apitest.ExecutionKind, "n", field.ErrorList{field.NotFound(field.NewPath("spec",
				"other"), "x")}),
			want: told{Status: 422, Reason: problem.Invalid,
				Fields: []string{"spec.other"}}},
		{reason: "a policy gives no causes",
			answer: policy(422, metav1.StatusReasonInvalid,
				`ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not on Fridays`),
			want: told{Status: 422, Reason: problem.Invalid,
				Tells: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not on Fridays`}},

		{reason: "no such namespace", answer: apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "team-a"),
			want: told{Status: 404, Reason: problem.NamespaceNotFound}},
		{reason: "the CRD is not installed", answer: apierrors.NewGenericServerResponse(404, "post",
			apitest.ExecutionsResource, "", "404 page not found", 0, true),
			wantRetryAfter: 5, want: told{Status: 503, Reason: problem.Unavailable,
				Tells: "the Kubernetes API server does not serve jobexecutions.dispatcher.ivan.vc: " +
					"an administrator has to install the CRD"}},
		{reason: "a webhook's certificate is not trusted",
			answer:         apierrors.NewInternalError(errors.New(`failed calling webhook "jobexecution.dispatcher.ivan.vc": failed to call webhook: Post "https://10.0.0.1:9443": tls: failed to verify certificate: x509: certificate signed by unknown authority`)),
			wantRetryAfter: 5, want: told{Status: 503, Reason: problem.Unavailable,
				Tells: "the certificate of an admission webhook is not trusted by the Kubernetes API server: tell an administrator"}},
		{reason: "the namespace goes away", answer: terminating(),
			want: told{Status: 409, Reason: problem.NamespaceTerminating}},

		{reason: "RBAC: the ServiceAccount's name is not the caller's business",
			answer: apierrors.NewForbidden(apitest.ExecutionsResource, "",
				errors.New(`User "system:serviceaccount:dispatcher-system:dispatcher" cannot create resource "jobexecutions"`)),
			want: told{Status: 403, Reason: problem.Forbidden}},
		{reason: "a quota is the caller's business",
			answer: apierrors.NewForbidden(apitest.ExecutionsResource, "n",
				errors.New("exceeded quota: q, requested: pods=1")),
			want: told{Status: 403, Reason: problem.Forbidden,
				Tells: `jobexecutions.dispatcher.ivan.vc "n" is forbidden: exceeded quota: q, requested: pods=1`}},
		{reason: "so is another webhook's refusal", answer: byWebhook(apierrors.NewForbidden(apitest.ExecutionsResource,
			"n", errors.New("not you"))),
			want: told{Status: 403, Reason: problem.Forbidden,
				Tells: `admission webhook "x" denied the request: jobexecutions.dispatcher.ivan.vc "n" is forbidden: not you`}},
		{reason: "so is that of a policy, whatever reason it gives",
			answer: policy(401, metav1.StatusReasonUnauthorized,
				`ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not you`),
			want: told{Status: 403, Reason: problem.Forbidden,
				Tells: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not you`}},
		{reason: "a policy on the size",
			answer: policy(413, metav1.StatusReasonRequestEntityTooLarge,
				`ValidatingAdmissionPolicy 'p' with binding 'b' denied request: at most 1 KiB`),
			want: told{Status: 403, Reason: problem.Forbidden,
				Tells: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: at most 1 KiB`}},
		{reason: "whatever code it uses", answer: byWebhook(apierrors.NewBadRequest("no")),
			want: told{Status: 403, Reason: problem.Forbidden, Tells: `admission webhook "x" denied the request: no`}},
		{reason: "a quota under contention",
			answer: apierrors.NewConflict(schema.GroupResource{Resource: "resourcequotas"}, "q",
				errors.New("the object has been modified")),
			want: told{Status: 503, Reason: problem.Unavailable}, wantRetryAfter: 1},
		{reason: "our own credentials are refused", answer: apierrors.NewUnauthorized("token of dispatcher expired"),
			want: told{Status: 503, Reason: problem.Unavailable}, wantRetryAfter: 5},
		{reason: "we sent nonsense", answer: apierrors.NewBadRequest("strict decoding error"),
			want: told{Status: 500, Reason: problem.InternalError}},

		{reason: "too large a request", answer: apierrors.NewRequestEntityTooLargeError("limit is 3145728"),
			want: told{Status: 413, Reason: problem.PayloadTooLarge}},
		{reason: "too large for etcd", answer: apierrors.NewInternalError(errors.New("etcdserver: request is too large")),
			want: told{Status: 413, Reason: problem.PayloadTooLarge}},
		{reason: "too large for etcd's client",
			answer: apierrors.NewInternalError(errors.New("rpc error: code = ResourceExhausted desc = trying to send message larger than max (2097253 vs. 2097152)")),
			want:   told{Status: 413, Reason: problem.PayloadTooLarge}},

		{reason: "busy, with a time", answer: apierrors.NewTooManyRequests("later", 7), wantRetryAfter: 7,
			want: told{Status: 429, Reason: problem.TooManyRequests}},
		{reason: "busy, without one", answer: apierrors.NewTooManyRequestsError("later"), wantRetryAfter: 1,
			want: told{Status: 429, Reason: problem.TooManyRequests}},
		{reason: "busy, as priority and fairness says it", plain: func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3")
			http.Error(w, "Too many requests, please try again later.", http.StatusTooManyRequests)
		}, wantRetryAfter: 3, want: told{Status: 429, Reason: problem.TooManyRequests}},

		{reason: "the webhook is away",
			answer:         apierrors.NewInternalError(errors.New(`failed calling webhook "jobexecution.dispatcher.ivan.vc": failed to call webhook: Post "https://10.0.0.1:9443": dial tcp: connection refused`)),
			wantRetryAfter: 5, want: told{Status: 503, Reason: problem.Unavailable}},
		{reason: "the webhook cannot judge",
			answer:         byWebhook(apierrors.NewServiceUnavailable("reading the template: dial tcp 10.0.0.1:443: connection refused")),
			wantRetryAfter: 5, want: told{Status: 503, Reason: problem.Unavailable}},
		{reason: "the webhook has no time left", answer: byWebhook(apierrors.NewTimeoutError("no time was left to render",
			0)),
			want: told{Status: 504, Reason: problem.Timeout}},
		{reason: "unavailable", answer: apierrors.NewServiceUnavailable("shutting down"), wantRetryAfter: 5,
			want: told{Status: 503, Reason: problem.Unavailable}},
		{reason: "unavailable, says a proxy before it", plain: func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "30")
			http.Error(w, "upstream 10.1.2.3 is gone", http.StatusServiceUnavailable)
		}, wantRetryAfter: 30, want: told{Status: 503, Reason: problem.Unavailable}},
		{reason: "a bad gateway", plain: func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) },
			wantRetryAfter: 5,
			want:           told{Status: 503, Reason: problem.Unavailable}},
		{reason: "etcd has no leader", answer: apierrors.NewInternalError(errors.New("etcdserver: leader changed")),
			wantRetryAfter: 5,
			want:           told{Status: 503, Reason: problem.Unavailable}},
		{reason: "an answer that is none", plain: func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte("{"))
		}, wantRetryAfter: 5, want: told{Status: 503, Reason: problem.Unavailable}},

		{reason: "its time ran out", answer: apierrors.NewTimeoutError("request did not complete", 0),
			want: told{Status: 504, Reason: problem.Timeout}},
		{reason: "try again, says the server", answer: apierrors.NewServerTimeout(apitest.ExecutionsResource, "create", 1),
			want: told{Status: 504, Reason: problem.Timeout}},
		{reason: "a gateway's time ran out", plain: func(w http.ResponseWriter) {
			http.Error(w, "",
				http.StatusGatewayTimeout)
		}, want: told{Status: 504, Reason: problem.Timeout}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := apitest.New(t)
			api.OnCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
				if test.plain != nil {
					test.plain(w)
				} else {
					apitest.AnswerError(w, test.answer)
				}
				return true
			}
			_, err := newStore(t, api).Create(t.Context(), Request{Namespace: "team-a", Template: "nightly", Payload: "p"})
			p := problemOf(t, err)
			got := told{Status: p.Status(), Reason: p.Reason}
			for _, field := range p.Fields {
				got.Fields = append(got.Fields, field.Field)
			}
			if test.want.Tells != "" {
				got.Tells = p.Detail
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			if p.RetryAfterSeconds != test.wantRetryAfter {
				t.Errorf("Retry-After = %d, want %d", p.RetryAfterSeconds, test.wantRetryAfter)
			}
			for _, secret := range []string{"serviceaccount", "10.1.2.3", "10.0.0.1", "<html>"} {
				if strings.Contains(p.Detail, secret) {
					t.Errorf("%q is the operator's business: %s", secret, p.Detail)
				}
			}
			if creates := strings.Count(strings.Join(api.Methods(), " "), http.MethodPost); creates != 1 {
				t.Errorf("the create was sent %d times, want once", creates)
			}
		})
	}
}

// Only the API server's answer about this very object says that it does not exist.
func TestAbsentObjects(t *testing.T) {
	templates := schema.GroupResource{Group: "dispatcher.ivan.vc", Resource: "jobtemplates"}
	for _, resource := range []schema.GroupResource{apitest.ExecutionsResource, templates} {
		named, want := Target{Namespace: "team-a", Execution: "n"}, problem.ExecutionNotFound
		if resource == templates {
			named, want = Target{Namespace: "team-a", Template: "n"}, problem.JobTemplateNotFound
		}
		for _, test := range []struct {
			reason string
			err    *apierrors.StatusError
			want   problem.Reason
		}{
			{"it does not exist", apierrors.NewNotFound(resource, "n"), want},
			{"the CRD is not installed",
				apierrors.NewGenericServerResponse(404, "get", resource, "n", "404 page not found", 0, true), problem.Unavailable},
			{"another object does not exist", apierrors.NewNotFound(resource, "m"), problem.InternalError},
			{"an object of another group does not exist",
				apierrors.NewNotFound(schema.GroupResource{Resource: resource.Resource}, "n"), problem.InternalError},
			{"a webhook denies it", byWebhook(apierrors.NewNotFound(resource, "n")), problem.Forbidden},
		} {
			if got := translateCall(test.err, named); got.Reason != test.want {
				t.Errorf("%s, %s: %+v, want %s", resource.Resource, test.reason, got, test.want)
			}
		}
	}
}

func TestUnreachableAPIServer(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := newStore(t, &apitest.Server{URL: gone.URL})
	_, err := s.Create(t.Context(), aRequest)
	if got := problemOf(t, err); got.Reason != problem.Unavailable || got.RetryAfterSeconds != 5 {
		t.Errorf("got %+v", got)
	}
	if len(s.unconfirmed.entries) > 0 {
		t.Error("without a connection nothing was created, so nothing is to be looked for")
	}
}

func TestUnansweredCalls(t *testing.T) {
	for _, test := range []struct {
		err    error
		want   problem.Reason
		reason string
	}{
		{fmt.Errorf("create: %w", context.DeadlineExceeded), problem.Timeout, "our own time-out"},
		{&url.Error{Op: "Post", URL: "https://10.0.0.1", Err: os.ErrDeadlineExceeded}, problem.Timeout, "the network's"},
		{&url.Error{Op: "Post", URL: "https://10.0.0.1", Err: io.EOF}, problem.Unavailable, "a connection that broke"},
		{errors.New("x509: certificate signed by unknown authority"), problem.Unavailable, "a certificate that is wrong"},
	} {
		if got := translate(test.err, Target{}); got.Reason != test.want || strings.Contains(got.Detail, "10.0.0.1") {
			t.Errorf("%s: got %+v, want %s", test.reason, got, test.want)
		}
	}
}

// byWebhook is err as the API server reports it after a webhook has answered with it.
func byWebhook(err *apierrors.StatusError) *apierrors.StatusError {
	err.ErrStatus.Message = fmt.Sprintf("admission webhook %q denied the request: %s", "x", err.ErrStatus.Message)
	return err
}

func policy(code int32, reason metav1.StatusReason, message string) *apierrors.StatusError {
	return &apierrors.StatusError{
		ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message},
	}
}

func terminating() *apierrors.StatusError {
	err := apierrors.NewForbidden(
		apitest.ExecutionsResource,
		"n",
		errors.New("unable to create new content in namespace team-a because it is being terminated"),
	)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{
		{Type: corev1.NamespaceTerminatingCause, Field: "metadata.namespace"},
	}
	return err
}
