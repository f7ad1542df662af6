package leader

import "github.com/prometheus/client_golang/prometheus"

// Metric returns the metric that says whether this process leads.
func Metric(l *Lease) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dispatcher_leader",
		Help: "1 while this replica is certain to lead, or else 0.",
	}, func() float64 {
		if l.Valid() {
			return 1
		}
		return 0
	})
}
