package store

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
)

// testConcurrentCreates is how many executions the stores of tests create at a time.
const testConcurrentCreates = 8

// While so many executions are being stored, the API server is not asked to store another.
func TestCreatesTakeTurns(t *testing.T) {
	api := apitest.New(t)
	client := newStore(t, api)
	for range testConcurrentCreates {
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

// An API server that takes long for each create has room for more: nobody waits for those that it has already.
func TestSlowCreatesMakeRoom(t *testing.T) {
	api := apitest.New(t)
	client := newStore(t, api)
	client.createTurn = time.Millisecond
	var under sync.WaitGroup
	under.Add(3 * testConcurrentCreates)
	api.OnCreate = func(http.ResponseWriter, *http.Request, *dispatcherv1alpha1.JobExecution) bool {
		under.Done()
		under.Wait() // for all that were sent, which are three times as many as have a turn
		return false
	}
	var creates sync.WaitGroup
	for i := range 3 * testConcurrentCreates {
		creates.Go(func() {
			execution := &dispatcherv1alpha1.JobExecution{}
			execution.Namespace, execution.Name = "default", "e"+strconv.Itoa(i)
			if _, err := client.create(t.Context(), execution); err != nil {
				t.Error(err)
			}
		})
	}
	creates.Wait()
	if !client.createTurns.TryAcquire(testConcurrentCreates) {
		t.Error("turns are lost")
	}
}
