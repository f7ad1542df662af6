package render

import (
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// freeText are the fields in which the API server accepts every text: it does not validate them, except as part of what
// checkProcesses and checkAnnotations check. All other fields count as validated, also those that a later Kubernetes
// adds: the API server is then asked about a Job once too often, and no invalid one is accepted.
var freeText = func() map[string]bool {
	fields := map[string]bool{"metadata.annotations": true, "spec.template.metadata.annotations": true}
	for _, containers := range []string{"containers", "initContainers"} {
		for _, name := range []string{
			"command", "args", "env.value",
			"livenessProbe.exec.command", "readinessProbe.exec.command", "startupProbe.exec.command",
			"lifecycle.postStart.exec.command", "lifecycle.preStop.exec.command",
		} {
			fields["spec.template.spec."+containers+"."+name] = true
		}
	}
	return fields
}()

// reachesValidated says whether a string of a jobTemplate can depend on the execution and stands where the API server
// does not accept every text.
func reachesValidated(spec *batchv1.JobTemplateSpec, templated []templatedString) bool {
	return hasValueFrom(spec) || slices.ContainsFunc(templated, func(s templatedString) bool {
		return s.usesExecution && !s.isFreeText()
	})
}

func (s templatedString) isFreeText() bool {
	switch {
	case !freeText[s.fields]:
		return false
	case strings.HasSuffix(s.fields, "annotations"):
		return !isKubernetesKey(s.hops[len(s.hops)-1].key.String())
	case strings.HasSuffix(s.fields, "exec.command"):
		return !mayLeaveOut(s.text) // It must not be empty.
	}
	return true
}

// isKubernetesKey says whether an annotation has a meaning for Kubernetes itself, which then validates its value, such
// as controller.kubernetes.io/pod-deletion-cost.
func isKubernetesKey(key string) bool {
	domain, _, _ := strings.Cut(key, "/")
	for _, own := range []string{"kubernetes.io", "k8s.io"} {
		if domain == own || strings.HasSuffix(domain, "."+own) {
			return true
		}
	}
	return false
}

// hasValueFrom says whether a variable has both a template as its value and valueFrom, which is valid only where the
// value is empty.
func hasValueFrom(spec *batchv1.JobTemplateSpec) bool {
	pod := &spec.Spec.Template.Spec
	for _, containers := range [][]corev1.Container{pod.Containers, pod.InitContainers} {
		for i := range containers {
			for _, variable := range containers[i].Env {
				if variable.ValueFrom != nil && strings.Contains(variable.Value, "{{") {
					return true
				}
			}
		}
	}
	return false
}
