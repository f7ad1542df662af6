package webhook

import (
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// checkExecutionName refuses an execution whose name is what makes its Job invalid. Otherwise the API server would
// refuse the Job, at a field that the user has not written.
func checkExecutionName(
	template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution, job *batchv1.Job,
) error {
	if err := render.CheckName(template, job, execution.Name); err != nil {
		if execution.GenerateName != "" {
			err.Detail += "; the API server appends 5 characters to generateName"
		}
		return apierrors.NewInvalid(jobExecutionKind, execution.Name, field.ErrorList{err})
	}
	return nil
}
