package webhook

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// tool is one that creates an object again if it is gone, as long as its source has it.
type tool struct {
	name string
	// labels and annotations are the marks of the objects that it manages.
	labels, annotations []string
	// hooks are annotations of objects that it creates anew each time, on purpose.
	hooks []string
}

const (
	argoHook = "argocd.argoproj.io/hook"
	helmHook = "helm.sh/hook"
)

var tools = []tool{
	{
		name: "Argo CD", labels: []string{"argocd.argoproj.io/instance"},
		annotations: []string{"argocd.argoproj.io/tracking-id"}, hooks: []string{argoHook, helmHook},
	},
	{name: "Flux", labels: []string{"kustomize.toolkit.fluxcd.io/name"}},
	{name: "Flux", labels: []string{"helm.toolkit.fluxcd.io/name"}, hooks: []string{helmHook}},
	{name: "Helm", annotations: []string{"meta.helm.sh/release-name"}, hooks: []string{helmHook}},
	{
		name: "kapp", labels: []string{"kapp.k14s.io/app", "kapp.k14s.io/association"},
		annotations: []string{"kapp.k14s.io/identity"},
	},
	{name: "kubectl apply --prune", labels: []string{"applyset.kubernetes.io/part-of"}},
	{name: "Fleet", annotations: []string{"objectset.rio.cattle.io/id"}},
	{
		name: "Config Sync",
		annotations: []string{
			"configsync.gke.io/resource-id", "configmanagement.gke.io/managed", "config.k8s.io/owning-inventory",
		},
	},
}

// rerunWarnings warns of an execution that a tool would create again after its TTL removed it, so that it would run
// again. execution has its defaults.
func rerunWarnings(
	execution *dispatcherv1alpha1.JobExecution, template *dispatcherv1alpha1.JobTemplate,
) []string {
	remedy := withoutTTL(execution, template)
	if remedy == "" {
		return nil
	}
	name, mark := managedBy(execution)
	if name == "" {
		return nil
	}
	return []string{fmt.Sprintf(
		"spec.ttlSecondsAfterFinished: %s (%s) creates this JobExecution again after its TTL removed it, and then it "+
			"runs again. To run it once, %s. To run it for each revision, also put the revision into its name",
		name, mark, remedy,
	)}
}

// withoutTTL says how to leave an execution without any TTL that removes it. It is empty if there is none.
func withoutTTL(execution *dispatcherv1alpha1.JobExecution, template *dispatcherv1alpha1.JobTemplate) string {
	switch {
	case template.Spec.TTLSecondsAfterFinished != nil:
		return fmt.Sprintf("leave out the TTL, and use another JobTemplate than %q, which sets one", template.Name)
	case execution.Spec.TTLSecondsAfterFinished != nil:
		return "leave out the TTL"
	case template.Spec.JobTemplate.Spec.TTLSecondsAfterFinished != nil:
		// An execution without a TTL is removed after its Job.
		return fmt.Sprintf("use another JobTemplate than %q, whose Job has a TTL", template.Name)
	}
	return ""
}

// managedBy returns the tool that manages an object, and by which mark that shows. Both are empty if there is none.
func managedBy(object metav1.Object) (name, mark string) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	for _, t := range tools {
		if slices.ContainsFunc(t.hooks, func(key string) bool { return annotations[key] != "" }) {
			continue
		}
		for _, key := range t.labels {
			if _, found := labels[key]; found {
				return t.name, "label " + key
			}
		}
		for _, key := range t.annotations {
			if _, found := annotations[key]; found {
				return t.name, "annotation " + key
			}
		}
	}
	return byCommonLabel(object)
}

// byCommonLabel is managedBy for marks that other objects may have, too.
func byCommonLabel(object metav1.Object) (name, mark string) {
	const managedByLabel, instanceLabel = "app.kubernetes.io/managed-by", "app.kubernetes.io/instance"
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	switch {
	case annotations[helmHook] != "":
	case labels[managedByLabel] == "Helm":
		return "Helm", "label " + managedByLabel
	case labels[instanceLabel] != "" && annotations[argoHook] == "" && slices.ContainsFunc(object.GetManagedFields(),
		func(entry metav1.ManagedFieldsEntry) bool { return strings.HasPrefix(entry.Manager, "argocd") }):
		return "Argo CD", "label " + instanceLabel
	}
	return "", ""
}
