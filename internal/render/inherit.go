package render

import (
	"maps"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Inherit copies from template what execution does not say itself: labels, and the time to live. To do it twice is to
// do it once.
func Inherit(execution *dispatcherv1alpha1.JobExecution, template *dispatcherv1alpha1.JobTemplate) {
	labels := inheritedLabels(template)
	maps.Copy(labels, execution.Labels)
	// This one is what executions are found by, so not even the user may set it to something else.
	labels[dispatcherv1alpha1.LabelJobTemplate] = template.Name
	execution.Labels = labels

	if execution.Spec.TTLSecondsAfterFinished == nil && template.Spec.TTLSecondsAfterFinished != nil {
		execution.Spec.TTLSecondsAfterFinished = new(*template.Spec.TTLSecondsAfterFinished)
	}
}
