package controller

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Values of the label result.
const (
	resultSucceeded = "succeeded"
	resultFailed    = "failed"
	resultCanceled  = "canceled"
)

var (
	// executionsTotal has one series per template and result, which are removed with the template. A platform has a
	// bounded number of templates, but not of executions, which are therefore no label. The histograms have no label
	// for the template: each would cost a series per bucket.
	executionsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dispatcher_executions_total",
		Help: "Finished JobExecutions by namespace and name of their JobTemplate and by result (succeeded, failed, " +
			"canceled). " +
			"The series of a JobTemplate are removed with it; executions that finish later have an empty template.",
	}, []string{"namespace", "template", "result"})

	jobCreationDuration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "dispatcher_execution_job_creation_duration_seconds",
		Help: "Time from the request, or from the creation of the JobExecution where it came without one, to the " +
			"creation of its Job.",
		Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
	})

	runDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "dispatcher_execution_run_duration_seconds",
		Help: "Time from the start of the Job to the completion of the JobExecution, by result (succeeded, failed, " +
			"canceled).",
		// A Job's times have whole seconds. Jobs take from seconds to a day.
		Buckets: []float64{1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400},
	}, []string{"result"})
)

func init() {
	metrics.Registry.MustRegister(executionsTotal, jobCreationDuration, runDuration)
}

// forgetTemplate removes the series of a template that was deleted.
func forgetTemplate(object any) {
	if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	if template, ok := object.(*dispatcherv1alpha1.JobTemplate); ok {
		executionsTotal.DeletePartialMatch(
			prometheus.Labels{"namespace": template.Namespace, "template": template.Name},
		)
	}
}

// observeJobCreated records how long the execution waited for its Job, which was created now.
func observeJobCreated(execution *dispatcherv1alpha1.JobExecution, now time.Time) {
	jobCreationDuration.Observe(max(0, now.Sub(requestedAt(execution)).Seconds()))
}

// requestedAt is when the HTTP API received the request, or else when the execution was created. Anyone may write the
// annotation, so it is used only where it agrees with the API server's clock.
func requestedAt(execution *dispatcherv1alpha1.JobExecution) time.Time {
	const tolerance = time.Minute
	created := execution.CreationTimestamp.Time
	received, err := time.Parse(time.RFC3339Nano, execution.Annotations[dispatcherv1alpha1.AnnotationReceivedAt])
	if err != nil || received.Sub(created).Abs() > tolerance {
		return created
	}
	return received
}

// observeFinished counts an execution that was finished by the status written just now. One whose template was deleted
// counts without the name, or it would bring back the series that were removed.
func (r *reconciler) observeFinished(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) {
	result := resultFailed
	switch summary := execution.Summary(); {
	case summary.Status == metav1.ConditionTrue:
		result = resultSucceeded
	case summary.Reason == dispatcherv1alpha1.ReasonCanceled:
		result = resultCanceled
	}
	template := &dispatcherv1alpha1.JobTemplate{}
	key := types.NamespacedName{Namespace: execution.Namespace, Name: execution.Spec.JobTemplateName}
	if err := r.client.Get(ctx, key, template); err != nil {
		key.Name = ""
	}
	executionsTotal.WithLabelValues(key.Namespace, key.Name, result).Inc()
	if duration := execution.Status.Duration; duration != nil {
		runDuration.WithLabelValues(result).Observe(duration.Seconds())
	}
}
