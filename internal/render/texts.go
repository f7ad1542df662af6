package render

import (
	"fmt"
	"reflect"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// A Job that was rendered in another process comes back as the texts of its template's strings, and not as a Job: that
// process can then choose these texts and nothing else, and this one makes the Job.

// Texts returns the texts that the strings of template have in a Job that was rendered from it, in the order of the
// fields.
func Texts(template *dispatcherv1alpha1.JobTemplate, job *batchv1.Job) []string {
	rendered := &batchv1.JobTemplateSpec{ObjectMeta: job.ObjectMeta, Spec: job.Spec}
	places := templatedPlaces(&template.Spec.JobTemplate)
	texts := make([]string, len(places))
	for i, at := range places {
		texts[i] = at.get(rendered)
	}
	return texts
}

// Assemble returns the Job of execution from the texts that its template's strings render to. It renders nothing. An
// error says that these cannot be the texts of this template.
func Assemble(
	template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution, texts []string,
) (*batchv1.Job, field.ErrorList, error) {
	job, errs, err := assemble(template, newData(template, execution.Name, execution.Spec.Payload), texts)
	if job != nil {
		own(job, execution)
	}
	return job, withoutValues(errs), err
}

// AssembleTrial is Assemble for a Job of an Examination, which has no execution.
func AssembleTrial(template *dispatcherv1alpha1.JobTemplate, texts []string) (*batchv1.Job, field.ErrorList, error) {
	template = named(template)
	return assemble(template, newData(template, trialName(template.Name), ""), texts)
}

func assemble(
	template *dispatcherv1alpha1.JobTemplate, data renderData, texts []string,
) (*batchv1.Job, field.ErrorList, error) {
	spec := template.Spec.JobTemplate.DeepCopy()
	places := templatedPlaces(spec)
	if len(places) != len(texts) {
		return nil, nil, fmt.Errorf("got %d texts for %d templates", len(texts), len(places))
	}
	for i, at := range places {
		at.set(spec, texts[i])
	}
	job, errs := jobOf(spec, template, data)
	return job, errs, nil
}

// templatedPlaces returns where spec has templates.
func templatedPlaces(spec *batchv1.JobTemplateSpec) []place {
	var places []place
	walk(spec, func(at func() place, text string) {
		if strings.Contains(text, "{{") {
			places = append(places, at())
		}
	})
	return places
}

// get returns the string at p in spec, or nothing where spec does not reach as far: most metadata does not reach a
// Job.
func (p place) get(spec *batchv1.JobTemplateSpec) string {
	v := reflect.ValueOf(spec).Elem()
	for _, h := range p.hops {
		switch h.kind {
		case reflect.Struct:
			v = v.Field(h.index)
		case reflect.Slice:
			if h.index >= v.Len() {
				return ""
			}
			v = v.Index(h.index)
		case reflect.Pointer:
			v = v.Elem()
		case reflect.Map:
			v = v.MapIndex(h.key)
		}
		if !v.IsValid() {
			return ""
		}
	}
	if v.Type() == intOrStringType {
		port := v.Interface().(intstr.IntOrString)
		return port.String()
	}
	return v.String()
}
