package render

import (
	"context"
	"maps"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// job renders the whole Job of an execution: its name (the execution's, or the rendered metadata.name), namespace,
// labels, annotations and controller reference. p must be template's. As for a CronJob, nothing else of metadata
// reaches the Job. The errors do not quote the template.
func (p *program) job(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	data := newData(template, execution)
	rendered, errs := p.render(ctx, data, p.redactedErrors)
	if len(errs) > 0 {
		return nil, withoutValues(errs)
	}
	job, errs := jobOf(rendered, template, data)
	if len(errs) > 0 {
		return nil, withoutValues(errs)
	}
	own(job, execution)
	return job, nil
}

// own makes execution the controller of its Job.
func own(job *batchv1.Job, execution *dispatcherv1alpha1.JobExecution) {
	job.Namespace = execution.Namespace
	job.OwnerReferences = []metav1.OwnerReference{
		*metav1.NewControllerRef(execution, dispatcherv1alpha1.GroupVersion.WithKind("JobExecution")),
	}
}

// jobOf returns the Job of a jobTemplate that was rendered, without an owner.
func jobOf(
	rendered renderedSpec, template *dispatcherv1alpha1.JobTemplate, data renderData,
) (*batchv1.Job, field.ErrorList) {
	if err := wrongNamespace(rendered.Namespace, data.Namespace); err != nil {
		return nil, field.ErrorList{err}
	}
	// It is stored in the status of the execution before the API server judges it.
	if most := validation.DNS1123SubdomainMaxLength; len(rendered.Name) > most {
		return nil, field.ErrorList{
			field.TooLong(jobTemplatePath.Child("metadata", "name"), field.OmitValueType{}, most),
		}
	}
	own := map[string]string{
		dispatcherv1alpha1.LabelJobTemplate:  data.JobTemplate.Name,
		dispatcherv1alpha1.LabelJobExecution: data.Name,
	}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name:      rendered.Name,
			Namespace: data.Namespace,
			Labels:    merged(inheritedLabels(template), defaultedLabels(rendered.JobTemplateSpec), own),
			Annotations: merged(rendered.Annotations, map[string]string{
				dispatcherv1alpha1.AnnotationJobTemplateUID:        string(template.UID),
				dispatcherv1alpha1.AnnotationJobTemplateGeneration: strconv.FormatInt(template.Generation, 10),
			}),
		},
		Spec: rendered.Spec,
	}
	if job.Name == "" {
		job.Name = data.Name
	}
	if errs := rendered.left.annotate(job); len(errs) > 0 {
		return nil, errs
	}
	keepUntilRecorded(job)
	noteStartDeadline(job, template)
	// The template's own labels are kept from the pods: a label that a tool puts on all objects of an application would
	// make them endpoints of a Service that selects by it.
	job.Spec.Template.Labels = merged(rendered.Spec.Template.Labels, own)
	if errs := checkAnnotations(job); len(errs) > 0 {
		return nil, errs
	}
	return job, nil
}

// defaultedLabels returns the labels of a Job, or those of its pods if it has none. The API server does the same, but
// not for Jobs with labels of ours. It leaves out what no label can be: the API server refuses that where the template
// has it.
func defaultedLabels(rendered *batchv1.JobTemplateSpec) map[string]string {
	if len(rendered.Labels) > 0 {
		return rendered.Labels
	}
	labels := maps.Clone(rendered.Spec.Template.Labels)
	maps.DeleteFunc(labels, func(key, value string) bool {
		return len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0
	})
	return labels
}

// keepUntilRecorded raises the TTL of the Job, so that the controller can record its outcome first, and notes the one
// that the template sets.
func keepUntilRecorded(job *batchv1.Job) {
	delete(job.Annotations, dispatcherv1alpha1.AnnotationJobTTL)
	ttl := job.Spec.TTLSecondsAfterFinished
	if ttl == nil || *ttl < 0 || *ttl >= dispatcherv1alpha1.MinJobTTLSeconds {
		return
	}
	job.Annotations[dispatcherv1alpha1.AnnotationJobTTL] = strconv.Itoa(int(*ttl))
	job.Spec.TTLSecondsAfterFinished = new(int32(dispatcherv1alpha1.MinJobTTLSeconds))
}

// noteStartDeadline notes the startDeadlineSeconds of the template that the Job was rendered from.
func noteStartDeadline(job *batchv1.Job, template *dispatcherv1alpha1.JobTemplate) {
	delete(job.Annotations, dispatcherv1alpha1.AnnotationStartDeadline)
	if seconds := template.Spec.StartDeadlineSeconds; seconds != nil {
		job.Annotations[dispatcherv1alpha1.AnnotationStartDeadline] = strconv.Itoa(int(*seconds))
	}
}

// merged returns a new map of all entries. Later maps win.
func merged(all ...map[string]string) map[string]string {
	result := map[string]string{}
	for _, m := range all {
		maps.Copy(result, m)
	}
	return result
}
