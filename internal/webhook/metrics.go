package webhook

import (
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// refusals counts what admission refused. The reason is that of the answer: Invalid, Forbidden, ServiceUnavailable or
// Timeout; TemplateSuspended is an answer of its own. controller-runtime counts requests and their latency, but not
// what was answered.
var refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "dispatcher_admission_refusals_total",
	Help: "Objects that admission refused, by kind and by the reason of the answer.",
}, []string{"kind", "reason"})

func init() {
	metrics.Registry.MustRegister(refusals)
}

// countRefusal counts err, unless it is nil, as a refusal of an object of kind. It returns err.
func countRefusal(kind schema.GroupKind, err error) error {
	if err == nil {
		return nil
	}
	reason := apierrors.ReasonForError(err)
	if reason == metav1.StatusReasonUnknown {
		reason = metav1.StatusReasonInternalError
	}
	if apierrors.HasStatusCause(err, dispatcherv1alpha1.CauseTemplateSuspended) {
		reason = metav1.StatusReason(dispatcherv1alpha1.CauseTemplateSuspended)
	}
	refusals.WithLabelValues(kind.Kind, string(reason)).Inc()
	return err
}
