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

	mutex   sync.Mutex
	users   int
	claims  []*budget.Claim
	encoded map[string][]byte
}

// Memory is where an encoded execution takes what its copy has not claimed yet.
type Memory interface {
	// Try takes n bytes, or returns nil where it would have to wait, and Await waits for them.
	Try(n int64) *budget.Claim
	Await(n int64) (*budget.Claim, error)
}

// NewCopy returns a copy with one user. The claim, if any, is given back when it is released.
func NewCopy(execution *dispatcherv1alpha1.JobExecution, claim *budget.Claim) *Copy {
	return &Copy{JobExecution: execution, users: 1, claims: []*budget.Claim{claim}}
}

// Replaced returns another state of the execution, which takes the memory of this one. It is for a copy with one user.
func (c *Copy) Replaced(execution *dispatcherv1alpha1.JobExecution) *Copy {
	return &Copy{JobExecution: execution, users: 1, claims: c.claims}
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
	if c.users--; c.users > 0 {
		return
	}
	for _, claim := range c.claims {
		claim.Release()
	}
}

// Encoded returns what encode makes of the execution, made once for each form and shared by all users. What the copy
// holds then and has not claimed is taken from memory. While that has to be waited for, nothing encoded is held.
func (c *Copy) Encoded(
	form string,
	encode func(*dispatcherv1alpha1.JobExecution) ([]byte, error),
	memory Memory,
) ([]byte, error) {
	body, missing, err := c.encode(form, encode, memory.Try)
	for err == nil && missing > 0 {
		var claim *budget.Claim
		if claim, err = memory.Await(missing); err != nil {
			return nil, err
		}
		awaited := missing
		body, missing, err = c.encode(form, encode, func(n int64) *budget.Claim {
			if n > awaited {
				return nil // Another form was encoded meanwhile.
			}
			taken := claim
			claim = nil
			return taken
		})
		claim.Release()
	}
	return body, err
}

// encode returns the body in a form, or how many bytes take could not take for it.
func (c *Copy) encode(
	form string,
	encode func(*dispatcherv1alpha1.JobExecution) ([]byte, error),
	take func(n int64) *budget.Claim,
) (body []byte, missing int64, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if body, ok := c.encoded[form]; ok {
		return body, 0, nil
	}
	if body, err = encode(c.JobExecution); err != nil {
		return nil, 0, err
	}
	missing = int64(len(c.Spec.Payload) + len(body))
	for _, other := range c.encoded {
		missing += int64(len(other))
	}
	for _, claim := range c.claims {
		missing -= claim.Size()
	}
	if missing > 0 {
		claim := take(missing)
		if claim == nil {
			return nil, missing, nil
		}
		c.claims = append(c.claims, claim)
	}
	if c.encoded == nil {
		c.encoded = map[string][]byte{}
	}
	c.encoded[form] = body
	return body, 0, nil
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
