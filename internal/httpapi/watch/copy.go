package watch

import (
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/budget"
)

// Copy is what one call has of an execution, as the API server had it, payload included. Calls may share what is behind
// it: it must not be changed. It takes memory of a budget until all who have it have released it, and meanwhile of the
// share of each of their source addresses, so that nobody pays for the slow callers of another address.
type Copy struct {
	*dispatcherv1alpha1.JobExecution
	content *content
	account *account
}

// content is what calls share.
type content struct {
	mutex   sync.Mutex
	users   int
	claims  []*budget.Claim
	encoded map[string][]byte
}

// Memory is where an encoded execution takes what its copy has not claimed yet.
type Memory interface {
	// Try takes all bytes of the budget, and share bytes of the share of the caller's address, or returns nil where it
	// would have to wait, and Await waits for them.
	Try(all, share int64) *budget.Claim
	Await(all, share int64) (*budget.Claim, error)
}

// NewCopy returns a copy with one user. The claim, if any, is given back when it is released.
func NewCopy(execution *dispatcherv1alpha1.JobExecution, claim *budget.Claim) *Copy {
	return &Copy{
		JobExecution: execution,
		content:      &content{users: 1, claims: []*budget.Claim{claim}},
		account:      newAccount(claim.SplitShare(), claim.Size()),
	}
}

// Replaced returns another state of the execution, which takes the memory of this one. It is for a copy with one user.
func (c *Copy) Replaced(execution *dispatcherv1alpha1.JobExecution) *Copy {
	return &Copy{
		JobExecution: execution,
		content:      &content{users: 1, claims: c.content.claims},
		account:      c.account,
	}
}

// sharedWith returns the copy for another call, which has entered the account.
func (c *Copy) sharedWith(account *account) *Copy {
	c.content.mutex.Lock()
	defer c.content.mutex.Unlock()
	c.content.users++
	return &Copy{JobExecution: c.JobExecution, content: c.content, account: account}
}

// Release ends one use of the copy.
func (c *Copy) Release() {
	c.account.leave()
	c.content.mutex.Lock()
	defer c.content.mutex.Unlock()
	if c.content.users--; c.content.users > 0 {
		return
	}
	for _, claim := range c.content.claims {
		claim.Release()
	}
}

// claimed needs the mutex.
func (c *content) claimed() (size int64) {
	for _, claim := range c.claims {
		size += claim.Size()
	}
	return size
}

// missing is what the copy has to take before it can hold what is encoded: of the budget, and of the share.
type missing struct{ all, share int64 }

// Encoded returns what encode makes of the execution, made once for each form and shared by all users. What the copy
// holds then and has not claimed is taken from memory. While that has to be waited for, nothing encoded is held.
func (c *Copy) Encoded(
	form string,
	encode func(*dispatcherv1alpha1.JobExecution) ([]byte, error),
	memory Memory,
) ([]byte, error) {
	body, lacks, err := c.encode(form, encode, memory.Try)
	for err == nil && lacks != (missing{}) {
		var claim *budget.Claim
		if claim, err = memory.Await(lacks.all, lacks.share); err != nil {
			return nil, err
		}
		awaited := lacks
		body, lacks, err = c.encode(form, encode, func(all, share int64) *budget.Claim {
			if all != awaited.all || share != awaited.share {
				return nil // Another form was encoded meanwhile, or this one by another call.
			}
			taken := claim
			claim = nil
			return taken
		})
		claim.Release()
	}
	return body, err
}

// encode returns the body in a form, or nil and what take could not take for it.
func (c *Copy) encode(
	form string,
	encode func(*dispatcherv1alpha1.JobExecution) ([]byte, error),
	take func(all, share int64) *budget.Claim,
) (body []byte, lacks missing, err error) {
	c.content.mutex.Lock()
	defer c.content.mutex.Unlock()
	body, known := c.content.encoded[form]
	if !known {
		if body, err = encode(c.JobExecution); err != nil {
			return nil, missing{}, err
		}
	}
	size := int64(len(c.Spec.Payload))
	for _, other := range c.content.encoded {
		size += int64(len(other))
	}
	if !known {
		size += int64(len(body))
	}
	lacks = missing{all: max(0, size-c.content.claimed()), share: c.account.missing(size)}
	if lacks.all > 0 || lacks.share > 0 {
		claim := take(lacks.all, lacks.share)
		if claim == nil {
			return nil, lacks, nil
		}
		c.account.charge(claim.SplitShare(), lacks.share)
		c.content.claims = append(c.content.claims, claim)
	}
	if c.content.encoded == nil {
		c.content.encoded = map[string][]byte{}
	}
	c.content.encoded[form] = body
	return body, missing{}, nil
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
