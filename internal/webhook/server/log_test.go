package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	admissionv1 "k8s.io/api/admission/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// errorsOf returns a logger and the errors that it was given.
func errorsOf() (logr.Logger, *[]string) {
	logged := &[]string{}
	write := func(_, args string) {
		if strings.Contains(args, `"error"=`) && !strings.Contains(args, `"level"=`) {
			*logged = append(*logged, args)
		}
	}
	return funcr.New(write, funcr.Options{}), logged
}

func TestOnlyFaultsOfOurOwnAreErrors(t *testing.T) {
	log, logged := errorsOf()
	server := New(Options{})
	server.log = log
	server.Register(path, &admission.Webhook{Handler: admission.HandlerFunc(
		func(ctx context.Context, _ admission.Request) admission.Response {
			ctrl.LoggerFrom(ctx).Error(errors.New("oh"), "a fault")
			return admission.Errored(http.StatusUnprocessableEntity, errors.New("refused"))
		})})
	handler := newReviews().limit(server.WebhookMux())
	for _, test := range []struct {
		reason, body string
		code         int32
		errors       int
	}{
		{"a refusal", review, http.StatusUnprocessableEntity, 1}, // That error is the handler's own.
		{"a field of another type", strings.Replace(review, `"object"`, `"userInfo":7,"object"`, 1), http.StatusBadRequest, 0},
	} {
		*logged = nil
		answer := serve(handler, post("10.0.0.1", test.body))
		got := admissionv1.AdmissionReview{}
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || got.Response == nil || got.Response.Result.Code != test.code {
			t.Errorf("%s: got %s, %v", test.reason, answer.Body, err)
		}
		if len(*logged) != test.errors {
			t.Errorf("%s: errors %q, want %d", test.reason, *logged, test.errors)
		}
	}
}

// hungUp is the answer to a caller that has closed the connection.
type hungUp struct{ http.ResponseWriter }

func (hungUp) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestACallerThatHangsUpIsNoError(t *testing.T) {
	log, logged := errorsOf()
	server := New(Options{})
	server.log = log
	server.Register(path, &admission.Webhook{Handler: admission.HandlerFunc(
		func(context.Context, admission.Request) admission.Response { return admission.Allowed("") })})
	server.WebhookMux().ServeHTTP(hungUp{httptest.NewRecorder()}, post("10.0.0.1", review))
	if len(*logged) > 0 {
		t.Errorf("errors %q", *logged)
	}
}
