package render

import (
	"strings"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// ownershipLabels are the label domains by which tools mark the objects that they applied. A tool that prunes by
// label would take an execution or a Job that carries its mark for one of its own, find it in no source, and delete it.
var ownershipLabels = []string{
	"applyset.kubernetes.io/",      // kubectl apply --prune --applyset
	"argocd.argoproj.io/",          // Argo CD
	"kustomize.toolkit.fluxcd.io/", // Flux
	"helm.toolkit.fluxcd.io/",      // Flux
	"kapp.k14s.io/",                // kapp
	"app.kubernetes.io/managed-by", // says who manages the template; nobody manages an execution
	"dispatcher.ivan.vc/",          // ours are set by us
}

// inheritedLabels returns a new map of the labels that executions and Jobs take from their template: all of its own but
// those by which a tool marks what it applied.
func inheritedLabels(template *dispatcherv1alpha1.JobTemplate) map[string]string {
	labels := make(map[string]string, len(template.Labels)+1)
	for key, value := range template.Labels {
		if isInherited(key) {
			labels[key] = value
		}
	}
	return labels
}

func isInherited(key string) bool {
	for _, prefix := range ownershipLabels {
		if strings.HasPrefix(key, prefix) {
			return false
		}
	}
	return true
}
