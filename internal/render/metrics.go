package render

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	stageCompile = "compile"
	stageRender  = "render"
)

// renderErrors counts templates that are refused, whoever asked. The cache collects it.
var renderErrors = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "dispatcher_render_errors_total",
	Help: "Templates that did not compile, and Jobs, those of trials too, that did not render, by stage.",
}, []string{"stage"})

func countErrors(stage string, errs field.ErrorList) {
	if len(errs) > 0 {
		renderErrors.WithLabelValues(stage).Inc()
	}
}

// Describe is part of prometheus.Collector.
func (c *cache) Describe(descriptions chan<- *prometheus.Desc) {
	c.size.Describe(descriptions)
	c.lookups.Describe(descriptions)
	renderErrors.Describe(descriptions)
}

// Collect is part of prometheus.Collector: the size of the cache, its hits and misses, and the errors of the package.
func (c *cache) Collect(metrics chan<- prometheus.Metric) {
	c.size.Collect(metrics)
	c.lookups.Collect(metrics)
	renderErrors.Collect(metrics)
}
