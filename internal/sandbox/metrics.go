package sandbox

import (
	"github.com/prometheus/client_golang/prometheus"
)

// poolMetrics is what a Pool counts. Workers count nothing: nobody could read it.
type poolMetrics struct {
	workers prometheus.Gauge
	exits   *prometheus.CounterVec
	seconds prometheus.Histogram
	errors  *prometheus.CounterVec
	lookups *prometheus.CounterVec
}

func newMetrics() *poolMetrics {
	m := &poolMetrics{
		workers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "dispatcher_render_workers",
			Help: "Render workers that are running.",
		}),
		exits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_render_worker_exits_total",
			Help: "Render workers that ended, by reason.",
		}, []string{"reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "dispatcher_render_seconds",
			Help:    "Time from a request to its answer by a render worker, the wait for a free worker included.",
			Buckets: prometheus.ExponentialBuckets(0.00005, 4, 10), // 50 us to 13 s
		}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_render_errors_total",
			Help: "Templates that were refused, and Jobs that did not render, by request.",
		}, []string{"request"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_render_cache_lookups_total",
			Help: "Lookups of compiled templates in the render workers' caches, by result.",
		}, []string{"result"}),
	}
	for _, reason := range allReasons {
		m.exits.WithLabelValues(reason)
	}
	for _, request := range []string{requestJob, requestExamine} {
		m.errors.WithLabelValues(request)
	}
	for _, result := range []string{lookupHit, lookupMiss} {
		m.lookups.WithLabelValues(result)
	}
	return m
}

// Values of labels.
const (
	requestJob     = "job"
	requestExamine = "examine"

	lookupHit  = "hit"
	lookupMiss = "miss"
)

func (m *poolMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.workers, m.exits, m.seconds, m.errors, m.lookups}
}

// Describe is part of prometheus.Collector.
func (p *Pool) Describe(descriptions chan<- *prometheus.Desc) {
	for _, collector := range p.metrics.all() {
		collector.Describe(descriptions)
	}
}

// Collect is part of prometheus.Collector.
func (p *Pool) Collect(metrics chan<- prometheus.Metric) {
	for _, collector := range p.metrics.all() {
		collector.Collect(metrics)
	}
}
