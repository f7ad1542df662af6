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

// Texts returns what the strings of template rendered to in a Job that was rendered from it, in the order of the
// fields. All strings of a list item that the Job does not have are left out.
func Texts(template *dispatcherv1alpha1.JobTemplate, job *batchv1.Job) []Rendered {
	rendered := &batchv1.JobTemplateSpec{ObjectMeta: job.ObjectMeta, Spec: job.Spec}
	left := leftOutOf(job)
	templated := templatedStrings(&template.Spec.JobTemplate)
	texts := make([]Rendered, len(templated))
	for i, s := range templated {
		texts[i] = s.get(rendered, left)
	}
	return texts
}

// Assemble returns the Job of execution from the texts that its template's strings render to. It renders nothing. An
// error says that these cannot be the texts of this template.
func Assemble(
	template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution, texts []Rendered,
) (*batchv1.Job, field.ErrorList, error) {
	job, errs, err := assemble(template, newData(template, execution), texts)
	if job != nil {
		own(job, execution)
	}
	return job, withoutValues(errs), err
}

// AssembleTrial is Assemble for a Job of an Examination, which has no execution.
func AssembleTrial(template *dispatcherv1alpha1.JobTemplate, texts []Rendered) (*batchv1.Job, field.ErrorList, error) {
	template = named(template)
	return assemble(template, newData(template, trialExecution(template, "")), texts)
}

func assemble(
	template *dispatcherv1alpha1.JobTemplate, data renderData, texts []Rendered,
) (*batchv1.Job, field.ErrorList, error) {
	spec := template.Spec.JobTemplate.DeepCopy()
	templated := templatedStrings(spec)
	if len(templated) != len(texts) {
		return nil, nil, fmt.Errorf("got %d texts for %d templates", len(texts), len(templated))
	}
	omitted := omission{}
	for i, s := range templated {
		if texts[i].LeftOut && !mayLeaveOut(s.text) {
			return nil, nil, fmt.Errorf("%s is left out, and its template does not ask for that", s.path)
		}
		omitted.put(s.place, spec, texts[i])
	}
	job, errs := jobOf(renderedSpec{spec, omitted.apply(spec)}, template, data)
	return job, errs, nil
}

// templatedStrings returns the strings of spec that are templates.
func templatedStrings(spec *batchv1.JobTemplateSpec) []templatedString {
	var templated []templatedString
	walk(spec, func(at func() place, text string) {
		if strings.Contains(text, "{{") {
			templated = append(templated, templatedString{place: at(), text: text})
		}
	})
	return templated
}

// get returns what s rendered to in spec, or nothing where spec does not reach as far: most metadata does not reach a
// Job.
func (s templatedString) get(spec *batchv1.JobTemplateSpec, left leftOut) Rendered {
	nothing := Rendered{LeftOut: mayLeaveOut(s.text)}
	v := reflect.ValueOf(spec).Elem()
	for i, h := range s.hops {
		switch h.kind {
		case reflect.Struct:
			v = v.Field(h.index)
		case reflect.Slice:
			index, ok := h.index, true
			if len(left) > 0 {
				index, ok = left.position(pathBelow(s.hops[:i]), h.index)
			}
			if !ok || index >= v.Len() {
				return nothing
			}
			v = v.Index(index)
		case reflect.Pointer:
			v = v.Elem()
		case reflect.Map:
			v = v.MapIndex(h.key)
		}
		if !v.IsValid() {
			return nothing
		}
	}
	if v.Type() == intOrStringType {
		port := v.Interface().(intstr.IntOrString)
		return Rendered{Text: port.String()}
	}
	return Rendered{Text: v.String()}
}
