package render

import (
	"container/list"
	"crypto/sha256"
	"slices"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// maxCacheBytes is how much memory all programs of a cache may take together, by estimate. The sample's takes some 10
// KiB, the largest 6 MiB.
const maxCacheBytes = 16 << 20

// cache holds compiled programs, at most a fixed number of them, and those that were used last. It is safe for
// concurrent use.
type cache struct {
	maxPrograms int

	mutex   sync.Mutex
	entries map[cacheKey]*list.Element // of *cacheEntry
	order   list.List                  // the last used first
	bytes   int
}

// newCache returns a cache of at most size programs.
func newCache(size int) *cache {
	return &cache{maxPrograms: size, entries: map[cacheKey]*list.Element{}}
}

// cacheKey is the hash of a jobTemplate in the form of protobuf. A program depends on nothing else: not on labels and
// annotations, which are data. UID and generation do not tell two jobTemplates apart: after a restore of etcd, a
// generation can come back with another spec. And admission sees generations that are never stored. To hash the
// sample takes 3 microseconds.
type cacheKey [sha256.Size]byte

func keyOf(spec *batchv1.JobTemplateSpec) (cacheKey, error) {
	text, err := spec.Marshal()
	return sha256.Sum256(text), err
}

// cacheEntry is a program, or why there is none, once it is compiled.
type cacheEntry struct {
	key     cacheKey
	once    sync.Once
	program *program
	errs    field.ErrorList
	bytes   int
}

// program returns the compiled program of template.
func (c *cache) program(template *dispatcherv1alpha1.JobTemplate) (*program, field.ErrorList) {
	spec := &template.Spec.JobTemplate
	key, err := keyOf(spec)
	if err != nil {
		return compile(spec)
	}
	entry := c.entry(key)
	entry.once.Do(func() {
		entry.program, entry.errs = compile(spec)
		c.weigh(entry)
	})
	return entry.program, slices.Clone(entry.errs)
}

// entry returns the entry of key, which is new if there was none.
func (c *cache) entry(key cacheKey) *cacheEntry {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if element, ok := c.entries[key]; ok {
		c.order.MoveToFront(element)
		return element.Value.(*cacheEntry)
	}
	entry := &cacheEntry{key: key}
	c.entries[key] = c.order.PushFront(entry)
	c.evict()
	return entry
}

// weigh adds the memory that a new entry takes.
func (c *cache) weigh(entry *cacheEntry) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, ok := c.entries[entry.key]; !ok {
		return // It was evicted while it was compiled.
	}
	entry.bytes = 1024 * (1 + len(entry.errs))
	if entry.program != nil {
		entry.bytes += entry.program.bytes()
	}
	c.bytes += entry.bytes
	c.evict()
}

// evict removes what was not used for the longest time, until the rest is within the limits.
func (c *cache) evict() {
	for len(c.entries) > c.maxPrograms || c.bytes > maxCacheBytes {
		oldest := c.order.Remove(c.order.Back()).(*cacheEntry)
		delete(c.entries, oldest.key)
		c.bytes -= oldest.bytes
	}
}
