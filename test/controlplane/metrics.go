package controlplane

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metric adds up the samples of a metric whose labels include the given ones: the values of counters and gauges, the
// counts of histograms. A metric that has no sample is 0.
func (m *Manager) Metric(ctx context.Context, name string, labels map[string]string) (float64, error) {
	text, err := get(ctx, http.DefaultClient, "http://"+m.metrics+"/metrics")
	if err != nil {
		return 0, fmt.Errorf("reading the metrics: %w", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return 0, fmt.Errorf("parsing the metrics: %w", err)
	}
	var sum float64
	for _, sample := range families[name].GetMetric() {
		if hasLabels(sample, labels) {
			sum += sample.GetCounter().
				GetValue() +
				sample.GetGauge().
					GetValue() +
				float64(
					sample.GetHistogram().GetSampleCount(),
				)
		}
	}
	return sum, nil
}

func hasLabels(sample *dto.Metric, labels map[string]string) bool {
	found := 0
	for _, pair := range sample.GetLabel() {
		if value, ok := labels[pair.GetName()]; ok && value == pair.GetValue() {
			found++
		}
	}
	return found == len(labels)
}
