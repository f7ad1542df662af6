package httpapi

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// While so many executions are being stored, the API server is not asked to store another.
func TestCreatesTakeTurns(t *testing.T) {
	api := newFakeAPIServer(t)
	client := api.client(t)
	for range maxConcurrentCreates {
		if !client.creates.take() {
			t.Fatal("there are fewer places")
		}
	}
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Namespace, execution.Name = "default", "e"
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.create(impatient, execution)
	if !apierrors.IsTooManyRequests(err) || ambiguous(err) {
		t.Errorf("err = %v, want one that says that nothing was stored", err)
	}
	if len(api.calls) > 0 {
		t.Errorf("the API server was asked: %v", api.calls)
	}

	client.creates.give()
	for _, execution.Name = range []string{"f", "g"} { // The place is given back.
		if _, err := client.create(t.Context(), execution); err != nil {
			t.Error(err)
		}
	}
}
