package controller

import (
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// A Job that has to be created comes before a status that has to be written, and both before objects that have not
// changed.
func TestNewExecutionsComeFirst(t *testing.T) {
	job := func(execution, version string) *batchv1.Job {
		return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: execution, ResourceVersion: version,
			Labels: map[string]string{dispatcherv1alpha1.LabelJobExecution: execution},
		}}
	}
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	watcher := enqueueAtLowerPriority(requestsFor)
	watcher.Create(t.Context(), event.CreateEvent{Object: job("old", "1"), IsInInitialList: true}, queue)
	watcher.Update(
		t.Context(), event.UpdateEvent{ObjectOld: job("resynced", "1"), ObjectNew: job("resynced", "1")}, queue,
	)
	watcher.Update(
		t.Context(), event.UpdateEvent{ObjectOld: job("changed", "1"), ObjectNew: job("changed", "2")}, queue,
	)
	watcher.Update(t.Context(), event.UpdateEvent{ObjectOld: job("before", "1"), ObjectNew: job("after", "2")}, queue)
	watcher.Delete(t.Context(), event.DeleteEvent{Object: job("deleted", "1")}, queue)
	watcher.Create(t.Context(), event.CreateEvent{Object: job("created", "1")}, queue)
	queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "new"}})

	var order []string
	for range 8 {
		request, _ := queue.Get()
		order = append(order, request.Name)
		queue.Done(request)
	}
	changed := order[1:6]
	slices.Sort(changed)
	last := order[6:]
	slices.Sort(last)
	if want := []string{"new", "after", "before", "changed", "created", "deleted", "old", "resynced"}; !slices.Equal(
		order, want,
	) {
		t.Errorf("the order is %v, want %v", order, want)
	}
}
