package watch

import (
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/budget"
)

// Copy is an execution as the API server had it, payload included, which calls may share. It must not be changed. It
// takes memory of a budget until all who have it have released it.
type Copy struct {
	*dispatcherv1alpha1.JobExecution

	claim *budget.Claim

	mutex   sync.Mutex
	users   int
	encoded map[string][]byte
}

// NewCopy returns a copy with one user. The claim, if any, is given back when it is released.
func NewCopy(execution *dispatcherv1alpha1.JobExecution, claim *budget.Claim) *Copy {
	return &Copy{JobExecution: execution, claim: claim, users: 1, encoded: map[string][]byte{}}
}

// Replaced returns another state of the execution, which takes the memory of this one. It is for a copy with one user.
func (c *Copy) Replaced(execution *dispatcherv1alpha1.JobExecution) *Copy {
	return NewCopy(execution, c.claim)
}

func (c *Copy) retain() *Copy {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.users++
	return c
}

// Release ends one use of the copy.
func (c *Copy) Release() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.users--; c.users == 0 {
		c.claim.Release()
	}
}

// Encoded returns what encode makes of the execution, made once for each form and shared by all users.
func (c *Copy) Encoded(form string, encode func(*dispatcherv1alpha1.JobExecution) ([]byte, error)) ([]byte, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if body, ok := c.encoded[form]; ok {
		return body, nil
	}
	body, err := encode(c.JobExecution)
	if err == nil {
		c.encoded[form] = body
	}
	return body, err
}

// smallPayload is a payload that a waiting call may keep: 1,000 of them are 4 MiB. Where an execution is deleted
// before it can be read again, this is the payload that can still be told.
const smallPayload = 4 << 10

// WithoutPayload returns what a call may keep of an execution while it waits.
func WithoutPayload(execution *dispatcherv1alpha1.JobExecution) *dispatcherv1alpha1.JobExecution {
	kept := *execution
	if len(kept.Spec.Payload) > smallPayload {
		kept.Spec.Payload = ""
	}
	kept.ManagedFields = nil
	kept.Annotations = maps.Clone(execution.Annotations)
	delete(kept.Annotations, corev1.LastAppliedConfigAnnotation) // It has the payload once more.
	return &kept
}
