package webhook

import "strings"

// ownershipLabels are the label domains by which tools mark the objects that they applied. A tool that prunes by
// label would take an execution that carries its mark for one of its own, find it in no source, and delete it.
var ownershipLabels = []string{
	"applyset.kubernetes.io/",      // kubectl apply --prune --applyset
	"argocd.argoproj.io/",          // Argo CD
	"kustomize.toolkit.fluxcd.io/", // Flux
	"helm.toolkit.fluxcd.io/",      // Flux
	"app.kubernetes.io/managed-by", // says who manages the template; nobody manages an execution
	"dispatcher.ivan.vc/",          // ours are set by us
}

// isInherited says whether an execution takes the label called key from its template.
func isInherited(key string) bool {
	for _, prefix := range ownershipLabels {
		if strings.HasPrefix(key, prefix) {
			return false
		}
	}
	return true
}
