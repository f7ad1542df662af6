package controller

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// resultError counts trials that gave no verdict.
const resultError = "error"

// revalidationResults are the values of the label result for the reasons of the condition Ready.
var revalidationResults = map[string]string{
	dispatcherv1alpha1.ReasonAccepted:     "accepted",
	dispatcherv1alpha1.ReasonRenderFailed: "render_failed",
	dispatcherv1alpha1.ReasonJobInvalid:   "job_invalid",
	dispatcherv1alpha1.ReasonJobForbidden: "job_forbidden",
}

var templateRevalidations = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "dispatcher_jobtemplate_revalidations_total",
	Help: "Trials of stored JobTemplates by result (accepted, render_failed, job_invalid, job_forbidden, and error if " +
		"the API server or a render worker gave no verdict).",
}, []string{"result"})

func init() {
	metrics.Registry.MustRegister(templateRevalidations)
	templateRevalidations.WithLabelValues(resultError)
	for _, result := range revalidationResults {
		templateRevalidations.WithLabelValues(result)
	}
}

// countTimeout ends a count of templates if the cache has not started.
const countTimeout = time.Second

// templateCounts counts the templates in the cache whenever somebody asks.
type templateCounts struct{ templates client.Reader }

var _ prometheus.Collector = &templateCounts{}

var templatesByReadiness = prometheus.NewDesc("dispatcher_jobtemplates",
	"JobTemplates by whether they are ready (true, false, or unknown if the newest spec was not tried yet). Every "+
		"replica reports all of them.", []string{"ready"}, nil)

// Describe implements prometheus.Collector.
func (c *templateCounts) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- templatesByReadiness
}

// Collect implements prometheus.Collector.
func (c *templateCounts) Collect(collected chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	var templates dispatcherv1alpha1.JobTemplateList
	if err := c.templates.List(ctx, &templates, client.UnsafeDisableDeepCopy); err != nil {
		return // The cache has not started.
	}
	counts := map[string]int{"true": 0, "false": 0, "unknown": 0}
	for i := range templates.Items {
		counts[readyLabel(&templates.Items[i])]++
	}
	for ready, count := range counts {
		collected <- prometheus.MustNewConstMetric(
			templatesByReadiness, prometheus.GaugeValue, float64(count), ready)
	}
}

func readyLabel(template *dispatcherv1alpha1.JobTemplate) string {
	ready := meta.FindStatusCondition(template.Status.Conditions, dispatcherv1alpha1.ConditionReady)
	switch {
	case ready == nil || template.Status.ObservedGeneration != template.Generation:
		return "unknown"
	case ready.Status == metav1.ConditionTrue:
		return "true"
	}
	return "false"
}
