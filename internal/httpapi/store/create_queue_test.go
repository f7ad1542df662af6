package store

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
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
	all := together(3 * testConcurrentCreates) // three times as many as have a turn
	api.OnCreate = func(_ http.ResponseWriter, r *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
		all(r)
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

// together returns what waits until so many requests are under way, or the client of one has given up.
func together(count int64) func(r *http.Request) {
	var under atomic.Int64
	all := make(chan struct{})
	return func(r *http.Request) {
		if under.Add(1) == count {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
	}
}
