package objectcache

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// The memory for what the informers leave out. See "Memory" in docs/scale.md before you change either.
const (
	// maxTemplates bounds the whole JobTemplates, in bytes. A small template needs 4 KiB.
	maxTemplates = 32 << 20

	// maxPayloads bounds the payloads of executions that have no Job yet, in bytes.
	maxPayloads = 16 << 20
)

// smallPayload is the length up to which the informer keeps a payload, in bytes.
const smallPayload = 1 << 10

// maxReads is how many objects are read from the API server at a time because they are not kept. While one is read and
// decoded, it needs several times its size.
const maxReads = 4

// annotationIncomplete marks an object in an informer that lacks the spec or the payload that it has on the API server.
const annotationIncomplete = "dispatcher.ivan.vc/incomplete"

// IsIncomplete says whether the object lacks its spec or its payload. Such an object must not be rendered. Templates
// and Payloads return complete ones.
func IsIncomplete(object client.Object) bool {
	_, marked := object.GetAnnotations()[annotationIncomplete]
	return marked
}

// Cache keeps whole JobTemplates and large payloads, within bounds of memory. It is filled by the informers that have
// the options of ByObject.
type Cache struct {
	// templates are by UID. Each is the newest version that this process has seen.
	templates *bounded[types.UID, *dispatcherv1alpha1.JobTemplate]

	// payloads are by the UID of the execution. A payload is immutable.
	payloads *bounded[types.UID, string]
}

// New returns an empty Cache.
func New() *Cache {
	return &Cache{
		templates: newBounded[types.UID, *dispatcherv1alpha1.JobTemplate](maxTemplates),
		payloads:  newBounded[types.UID, string](maxPayloads),
	}
}

// ByObject returns the options of the manager's cache for each kind that is watched: of Jobs and pods only those of
// executions are cached, since a cluster may have many others, and of each object only what is used.
//
// Cached objects are incomplete and must not be written back: write patches that are not computed from their metadata.
func (c *Cache) ByObject() map[client.Object]cache.ByObject {
	selector := ofExecutions()
	return map[client.Object]cache.ByObject{
		&dispatcherv1alpha1.JobTemplate{}:  {Transform: c.stripTemplate},
		&dispatcherv1alpha1.JobExecution{}: {Transform: c.stripExecution},
		&batchv1.Job{}:                     {Transform: stripJob, Label: selector},
		&corev1.Pod{}:                      {Transform: stripPod, Label: selector},
		&corev1.Namespace{}:                {Transform: stripNamespace},
		&corev1.ResourceQuota{}:            {Transform: stripQuota},
		&corev1.LimitRange{}:               {Transform: stripLimitRange},
	}
}

// ofExecutions selects the objects that have the label of an execution.
func ofExecutions() labels.Selector {
	exists, err := labels.NewRequirement(dispatcherv1alpha1.LabelJobExecution, selection.Exists, nil)
	if err != nil {
		panic(err) // The key is a constant and valid.
	}
	return labels.NewSelector().Add(*exists)
}
