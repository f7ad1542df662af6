package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestFindStrings(t *testing.T) {
	job := &batchv1.Job{Spec: jobWithArgs("x", "y", "x").Spec}
	job.Labels = map[string]string{"a.b/c": "x", "d": "x", "e": "y"}
	job.Spec.Template.Labels = map[string]string{"p": "x"}
	container := &job.Spec.Template.Spec.Containers[0]
	container.VolumeMounts = []corev1.VolumeMount{{SubPath: "y"}, {SubPath: "x", MountPath: "x"}}
	const first = "spec.template.spec.containers[0]."
	strings := FindStrings(job, []string{"x", "absent"})
	for path, want := range map[string][]string{
		"metadata.labels":                              {"metadata.labels[a.b/c]", "metadata.labels[d]"},
		"metadata.labels[d]":                           {"metadata.labels[d]"},
		"metadata.labels[e]":                           nil,
		"metadata.label":                               nil,
		"metadata":                                     nil,
		"spec.template.labels":                         {"spec.template.metadata.labels[p]"},
		first + "args":                                 {first + "args[0]", first + "args[2]"},
		first + "args[2]":                              {first + "args[2]"},
		first + "args[1]":                              nil,
		first + "volumeMounts.subPath":                 {first + "volumeMounts[1].subPath"},
		"spec.template.spec.containers[1].args":        nil,
		"spec.template.spec.containers.args":           {first + "args[0]", first + "args[2]"},
		first + "volumeMounts[1].mountPath":            {first + "volumeMounts[1].mountPath"},
		first + "volumeMounts[1].mountPathExtra":       nil,
		"spec.template.spec.containers[0].volumeMount": nil,
		"": nil,
	} {
		if diff := cmp.Diff(want, strings.At(path, "x")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", path, diff)
		}
	}
}
