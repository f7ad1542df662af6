package store

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
)

// While so many executions are being stored, the API server is not asked to store another.
func TestCreatesTakeTurns(t *testing.T) {
	api := apitest.New(t)
	client := newStore(t, api)
	for range maxConcurrentCreates {
		if !client.createTurns.TryAcquire(1) {
			t.Fatal("there are fewer places")
		}
	}
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Namespace, execution.Name = "default", "e"
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.create(impatient, execution)
	if !apierrors.IsTooManyRequests(err) || mayBeStored(err) {
		t.Errorf("err = %v, want one that says that nothing was stored", err)
	}
	if len(api.Methods()) > 0 {
		t.Errorf("the API server was asked: %v", api.Methods())
	}

	client.createTurns.Release(1)
	for _, execution.Name = range []string{"f", "g"} { // The place is given back.
		if _, err := client.create(t.Context(), execution); err != nil {
			t.Error(err)
		}
	}
}
