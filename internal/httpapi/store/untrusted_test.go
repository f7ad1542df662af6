package store

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
)

// A certificate that is not trusted is an error in the log, however many calls meet it, once a minute.
func TestUntrustedIsReported(t *testing.T) {
	const text = `failed calling webhook "x": failed to call webhook: Post "https://10.0.0.1:9443": `
	answer := text + "tls: failed to verify certificate: x509: certificate signed by unknown authority"
	api := apitest.New(t)
	api.OnCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
		apitest.AnswerError(w, apierrors.NewInternalError(errors.New(answer)))
		return true
	}
	s, lines, now := newStore(t, api), 0, time.Unix(0, 0)
	s.untrusted.log = funcr.New(func(string, string) { lines++ }, funcr.Options{})
	s.untrusted.now = func() time.Time { return now }
	var got []int
	for range 4 {
		if _, err := s.Create(t.Context(), aRequest); err == nil {
			t.Fatal("created")
		}
		got = append(got, lines)
		now = now.Add(untrustedInterval / 2)
	}
	if want := []int{1, 1, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("lines = %v, want %v", got, want)
	}
	answer, now = text+"dial tcp: connection refused", now.Add(untrustedInterval)
	if _, err := s.Create(t.Context(), aRequest); err == nil || lines != 2 {
		t.Errorf("error %v, %d lines, want no line for a webhook that is away", err, lines)
	}
}
