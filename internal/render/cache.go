package render

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/lru"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Cache holds the compiled programs of stored templates, at most a fixed number of them. It is safe for concurrent use.
// It is also a Prometheus collector.
type Cache struct {
	mutex    sync.Mutex // makes looking up and adding one step, so that each state of a template is compiled once
	programs *lru.Cache

	size    prometheus.GaugeFunc
	lookups *prometheus.CounterVec
}

// NewCache returns a cache of at most size programs.
func NewCache(size int) *Cache {
	programs := lru.New(size)
	return &Cache{
		programs: programs,
		size: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "dispatcher_render_cache_programs",
			Help: "Compiled templates in the cache.",
		}, func() float64 { return float64(programs.Len()) }),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_render_cache_lookups_total",
			Help: "Lookups of compiled templates in the cache, by result.",
		}, []string{"result"}),
	}
}

// cacheKey tells one state of a template from every other.
type cacheKey struct {
	uid        types.UID
	generation int64
}

// cached is a template's program, or why it has none, once it is compiled.
type cached struct {
	once    sync.Once
	program *Program
	errs    field.ErrorList
}

// Program returns the compiled program of template, which must be as the API server stored it: programs are kept by UID
// and generation, which admission may see before they are final.
func (c *Cache) Program(template *dispatcherv1alpha1.JobTemplate) (*Program, field.ErrorList) {
	if template.UID == "" {
		return Compile(&template.Spec.JobTemplate)
	}
	entry := c.entry(cacheKey{template.UID, template.Generation})
	entry.once.Do(func() { entry.program, entry.errs = Compile(&template.Spec.JobTemplate) })
	return entry.program, slices.Clone(entry.errs)
}

func (c *Cache) entry(key cacheKey) *cached {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if found, ok := c.programs.Get(key); ok {
		c.lookups.WithLabelValues("hit").Inc()
		return found.(*cached)
	}
	c.lookups.WithLabelValues("miss").Inc()
	entry := &cached{}
	c.programs.Add(key, entry)
	return entry
}

// Len returns how many programs the cache holds.
func (c *Cache) Len() int { return c.programs.Len() }
