package render

import (
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// shortString is a string of a jobTemplate that may have at most 63 characters. noDots says that it is a DNS label, and
// not the value of a label.
type shortString struct {
	path   *field.Path
	text   string
	noDots bool
}

// shortStrings returns the short strings of pods that have .Name, and the labels of the Job. A template may have a
// reason to put the name of the execution into them. It does not look at the rest of the template, which may be large.
func shortStrings(job *batchv1.JobTemplateSpec) []shortString {
	var f shortFinder
	pods := &job.Spec.Template
	podPath := jobTemplatePath.Child("spec", "template")
	f.labels(job.Labels, jobTemplatePath.Child("metadata", "labels"))
	f.labels(pods.Labels, podPath.Child("metadata", "labels"))
	f.pod(&pods.Spec, podPath.Child("spec"))
	return f.found
}

type shortFinder struct{ found []shortString }

func (f *shortFinder) pod(pod *corev1.PodSpec, path *field.Path) {
	f.name(pod.Hostname, path, "hostname")
	f.name(pod.Subdomain, path, "subdomain")
	f.labels(pod.NodeSelector, path.Child("nodeSelector"))
	for i := range pod.InitContainers {
		f.name(pod.InitContainers[i].Name, path.Child("initContainers").Index(i), "name")
	}
	for i := range pod.Containers {
		f.name(pod.Containers[i].Name, path.Child("containers").Index(i), "name")
	}
	for i := range pod.ResourceClaims {
		f.name(pod.ResourceClaims[i].Name, path.Child("resourceClaims").Index(i), "name")
	}
	for i := range pod.Volumes {
		volume := path.Child("volumes").Index(i)
		f.name(pod.Volumes[i].Name, volume, "name")
		if ephemeral := pod.Volumes[i].Ephemeral; ephemeral != nil && ephemeral.VolumeClaimTemplate != nil {
			f.labels(ephemeral.VolumeClaimTemplate.Labels,
				volume.Child("ephemeral", "volumeClaimTemplate", "metadata", "labels"))
		}
	}
	for i := range pod.TopologySpreadConstraints {
		if selector := pod.TopologySpreadConstraints[i].LabelSelector; selector != nil {
			f.labels(selector.MatchLabels,
				path.Child("topologySpreadConstraints").Index(i).Child("labelSelector", "matchLabels"))
		}
	}
}

// name looks at the field of that name below path, which is a DNS label.
func (f *shortFinder) name(text string, path *field.Path, name string) {
	if strings.Contains(text, ".Name") {
		f.found = append(f.found, shortString{path.Child(name), text, true})
	}
}

// labels looks at the values of labels, in the order of their keys.
func (f *shortFinder) labels(values map[string]string, path *field.Path) {
	var keys []string
	for key, value := range values {
		if strings.Contains(value, ".Name") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		f.found = append(f.found, shortString{path.Key(key), values[key], false})
	}
}
