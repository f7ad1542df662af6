package webhook

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

const (
	// generatedSuffix stands in for the random suffix that the API server puts after a generateName.
	generatedSuffix = "xxxxx"

	// maxGeneratedBase is how much of a generateName the API server keeps, so that 63 characters are not exceeded.
	maxGeneratedBase = 63 - len(generatedSuffix)
)

// setNameAndNamespace sets what an object under admission may not have yet: a name where generateName is used, and the
// namespace of the request.
func setNameAndNamespace(object *metav1.ObjectMeta, namespace string) {
	if object.Namespace == "" {
		object.Namespace = namespace
	}
	if object.Name == "" {
		object.Name = object.GenerateName[:min(len(object.GenerateName), maxGeneratedBase)] + generatedSuffix
	}
}
