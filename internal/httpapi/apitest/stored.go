package apitest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Change changes what is stored, and tells those who watch.
func (f *Server) Change(key string, change func(*dispatcherv1alpha1.JobExecution)) *dispatcherv1alpha1.JobExecution {
	f.mutex.Lock()
	changed := f.stored[key].DeepCopy()
	f.stored[key] = changed
	change(changed)
	version, _ := strconv.Atoi(changed.ResourceVersion)
	changed.ResourceVersion = strconv.Itoa(version + 1)
	f.mutex.Unlock()
	f.changed(changed, false)
	return changed
}

// Remove removes what is stored, and tells those who watch.
func (f *Server) Remove(key string) {
	f.mutex.Lock()
	removed := f.stored[key]
	delete(f.stored, key)
	f.mutex.Unlock()
	f.changed(removed, true)
}

// storeNew stores an execution unless there is one of its name.
func (f *Server) storeNew(execution *dispatcherv1alpha1.JobExecution) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.stored[execution.Namespace+"/"+execution.Name] != nil {
		return false
	}
	f.keep(execution)
	return true
}

// Store stores an execution, in place of one of its name.
func (f *Server) Store(execution *dispatcherv1alpha1.JobExecution) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.keep(execution)
}

func (f *Server) keep(execution *dispatcherv1alpha1.JobExecution) {
	if execution.UID == "" { // else it is another state of one that is stored
		execution.UID = types.UID("uid-" + strconv.Itoa(len(f.calls)))
	}
	execution.TypeMeta = metav1.TypeMeta{APIVersion: "dispatcher.ivan.vc/v1alpha1", Kind: "JobExecution"}
	execution.ResourceVersion = strconv.Itoa(len(f.calls) + len(f.stored))
	execution.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "dispatcher-http-api"}}
	if len(execution.Status.Conditions) == 0 {
		execution.Status.Conditions = []metav1.Condition{
			{Type: "Succeeded", Status: metav1.ConditionUnknown, Reason: "Waiting"},
		}
	}
	f.stored[execution.Namespace+"/"+execution.Name] = execution
}

// Lose breaks the connection of a create, and keeps what it was about to store.
func (f *Server) Lose(_ http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.late = execution
	panic(http.ErrAbortHandler)
}

// StoreLate stores what was kept, after change has been made to it.
func (f *Server) StoreLate(change func(*dispatcherv1alpha1.JobExecution)) {
	f.mutex.Lock()
	late := f.late
	f.mutex.Unlock()
	if change != nil {
		change(late)
	}
	f.Store(late)
}

// Names of all that is stored, as namespace/name.
func (f *Server) Names() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var names []string
	for name := range f.stored {
		names = append(names, name)
	}
	return names
}

// Methods of all calls.
func (f *Server) Methods() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.calls
}

func (f *Server) changed(execution *dispatcherv1alpha1.JobExecution, deleted bool) {
	if f.OnChange != nil {
		f.OnChange(execution, deleted)
	}
}

// Queries of all calls.
func (f *Server) Queries() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return slices.Clone(f.queries)
}

// Stored returns all that is stored.
func (f *Server) Stored() []*dispatcherv1alpha1.JobExecution {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return slices.Collect(maps.Values(f.stored))
}

// Get returns what is stored under namespace/name, nil if there is nothing.
func (f *Server) Get(key string) *dispatcherv1alpha1.JobExecution {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.stored[key]
}

// Cache is a cache of the executions that are stored. It has no JobTemplates.
func (f *Server) Cache() client.Reader { return cached{server: f} }

type cached struct {
	client.Reader
	server *Server
}

// Get implements client.Reader.
func (c cached) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	execution, ok := object.(*dispatcherv1alpha1.JobExecution)
	found := c.server.Get(key.String())
	if !ok || found == nil {
		return apierrors.NewNotFound(schema.GroupResource{Group: "dispatcher.ivan.vc"}, key.Name)
	}
	found.DeepCopyInto(execution)
	return nil
}
