package render

import (
	"fmt"
	"maps"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/gotemplate"
)

const (
	setByServer = "leave it out: the API server sets it for each Job"
	setForJob   = "leave it out: Kubernetes sets it for each Job"
	setByUs     = "leave it out: Dispatcher sets it for each Job"
)

// excessMetadata are the fields of metadata that no Job takes from a template, and why.
var excessMetadata = map[string]string{
	"uid":                        setByServer,
	"resourceVersion":            setByServer,
	"generation":                 setByServer,
	"creationTimestamp":          setByServer,
	"deletionTimestamp":          setByServer,
	"deletionGracePeriodSeconds": setByServer,
	"managedFields":              setByServer,
	"selfLink":                   setByServer,
	"ownerReferences":            "leave it out: each Job is owned by its JobExecution",
	"finalizers":                 "leave it out: a Job gets none, so that nothing keeps its namespace from being deleted",
}

// uidLabels and nameLabels are the labels that Kubernetes gives to each Job and its pods: its UID and its name.
var (
	uidLabels  = []string{batchv1.ControllerUidLabel, "controller-uid"}
	nameLabels = []string{batchv1.JobNameLabel, "job-name"}
)

// ourLabels and ourAnnotations are those that jobOf sets.
var (
	ourLabels      = []string{dispatcherv1alpha1.LabelJobExecution, dispatcherv1alpha1.LabelJobTemplate}
	ourAnnotations = []string{
		dispatcherv1alpha1.AnnotationJobTTL, dispatcherv1alpha1.AnnotationJobTemplateGeneration,
		dispatcherv1alpha1.AnnotationJobTemplateUID, dispatcherv1alpha1.AnnotationLeftOut,
	}
)

// excessFields reports what belongs to one Job and cannot be in a template, as in the manifest of a Job that was copied
// out of a cluster. It reports all of it, so that the author can remove it at once.
func excessFields(template *dispatcherv1alpha1.JobTemplate) field.ErrorList {
	spec := &template.Spec.JobTemplate
	e := excess{}
	e.metadata(&spec.ObjectMeta, template.Namespace)
	manual := spec.Spec.ManualSelector != nil && *spec.Spec.ManualSelector
	if selector := spec.Spec.Selector; !manual && selector != nil &&
		len(selector.MatchLabels)+len(selector.MatchExpressions) > 0 {
		e.report(jobTemplatePath.Child("spec", "selector"), setForJob)
	}
	onJob := jobTemplatePath.Child("metadata", "labels")
	onPods := jobTemplatePath.Child("spec", "template", "metadata", "labels")
	podLabels := spec.Spec.Template.Labels
	e.ours(onJob, spec.Labels, ourLabels)
	annotations := jobTemplatePath.Child("metadata", "annotations")
	e.ours(annotations, spec.Annotations, ourAnnotations)
	if _, found := spec.Annotations[corev1.LastAppliedConfigAnnotation]; found {
		e.report(annotations.Key(corev1.LastAppliedConfigAnnotation), "leave it out: kubectl wrote it for another object")
	}
	e.ours(onPods, podLabels, ourLabels)
	e.literal(onJob, spec.Labels, uidLabels)
	if !manual {
		e.literal(onPods, podLabels, uidLabels)
	}
	// A label with the name of the Job is right where the Job has that name. But who removes the rest of what was
	// copied removes the name, too.
	if len(e.errs) > 0 {
		e.literal(onJob, spec.Labels, nameLabels)
	}
	if !manual && (len(e.errs) > 0 || !haveValue(podLabels, nameLabels, spec.Name)) {
		e.literal(onPods, podLabels, nameLabels)
	}
	return e.errs
}

// excess collects errors.
type excess struct{ errs field.ErrorList }

func (e *excess) report(at *field.Path, why string) {
	e.errs = append(e.errs, field.Forbidden(at, why))
}

func (e *excess) metadata(metadata *metav1.ObjectMeta, namespace string) {
	at := jobTemplatePath.Child("metadata")
	if !isTemplate(metadata.Namespace) {
		if err := wrongNamespace(metadata.Namespace, namespace); err != nil {
			e.errs = append(e.errs, err)
		}
	}
	set, err := runtime.DefaultUnstructuredConverter.ToUnstructured(metadata)
	if err != nil {
		e.errs = append(e.errs, field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("cannot be read: %v", err)))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if why, found := excessMetadata[name]; found {
			e.report(at.Child(name), why)
		}
	}
}

// ours reports those of the keys that are there.
func (e *excess) ours(at *field.Path, entries map[string]string, keys []string) {
	for _, key := range keys {
		if _, found := entries[key]; found {
			e.report(at.Key(key), setByUs)
		}
	}
}

// literal reports those of the keys that have a value which is no template.
func (e *excess) literal(at *field.Path, labels map[string]string, keys []string) {
	for _, key := range keys {
		if value, found := labels[key]; found && !isTemplate(value) {
			e.report(at.Key(key), setForJob)
		}
	}
}

// haveValue says whether all of the keys that are there have the value.
func haveValue(labels map[string]string, keys []string, want string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool {
		value, found := labels[key]
		return found && value != want
	})
}

// wrongNamespace reports a namespace that is not the one of the template and its executions.
func wrongNamespace(namespace, want string) *field.Error {
	if namespace == "" || namespace == want {
		return nil
	}
	return field.Invalid(
		jobTemplatePath.Child("metadata", "namespace"), gotemplate.Excerpt(namespace, 0),
		"the Job is made in the namespace of its execution, "+want+": leave it out",
	)
}
