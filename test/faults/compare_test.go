package faults

import (
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// compareWithAPIServer checks the history itself: the API server shows what is there by it, and nothing else.
func (c *cluster) compareWithAPIServer() {
	executions, jobs := &dispatcherv1alpha1.JobExecutionList{}, &batchv1.JobList{}
	must(c.t, c.admin.List(c.t.Context(), executions, client.InNamespace(namespace)))
	must(c.t, c.admin.List(c.t.Context(), jobs, client.InNamespace(namespace)))
	listed := sets.New[types.UID]()
	for i := range executions.Items {
		listed.Insert(executions.Items[i].UID)
	}
	for i := range jobs.Items {
		listed.Insert(jobs.Items[i].UID)
	}
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	known := sets.New[types.UID]()
	for uid, e := range c.history.executions {
		if !e.deleted {
			known.Insert(uid)
		}
	}
	for uid, j := range c.history.jobs {
		if !j.deleted {
			known.Insert(uid)
		}
	}
	if !listed.Equal(known) {
		c.t.Errorf("the API server has %v, the history has %v", listed.UnsortedList(), known.UnsortedList())
	}
}
