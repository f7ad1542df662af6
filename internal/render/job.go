package render

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Job renders the whole Job of an execution: its name (the execution's, or the rendered metadata.name), namespace,
// labels, annotations and controller reference. The program must be template's.
func Job(ctx context.Context, program *Program, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution) (*batchv1.Job, field.ErrorList) {
	rendered, errs := program.Render(ctx, NewData(template, execution.Name, execution.Spec.Payload))
	if len(errs) > 0 {
		return nil, errs
	}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: execution.Name, Namespace: execution.Namespace},
		Spec:       rendered.Spec,
	}, nil
}

// DryRun renders template as an execution would: with its samplePayload where it has one, else with synthetic payloads,
// of which one must do. The Job that it returns has no owner, since there is no execution.
func DryRun(ctx context.Context, program *Program, template *dispatcherv1alpha1.JobTemplate) (*batchv1.Job, field.ErrorList) {
	rendered, errs := program.Render(ctx, NewData(template, template.Name, ""))
	if len(errs) > 0 {
		return nil, errs
	}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: template.Name, Namespace: template.Namespace},
		Spec:       rendered.Spec,
	}, nil
}
