package render

import (
	"maps"
	"slices"
	"testing"
)

func TestHaveFields(t *testing.T) {
	spec := jobWithArgs("x", "y")
	spec.Labels = map[string]string{"a.b/c": "x", "empty": ""}
	const container = "spec.jobTemplate.spec.template.spec.containers[0]"
	want := map[string]bool{
		"spec.jobTemplate":                                        true,
		"spec.jobTemplate.metadata.labels":                        true,
		"spec.jobTemplate.metadata.labels[a.b/c]":                 true,
		"spec.jobTemplate.metadata.labels[a.b/d]":                 false,
		"spec.jobTemplate.metadata.label":                         false,
		"spec.jobTemplate.metadata.annotations[a]":                false,
		"spec.jobTemplate.spec":                                   true,
		container:                                                 true,
		container + ".args[1]":                                    true,
		container + ".args[2]":                                    false,
		container + ".args[1].x":                                  true,
		container + ".env[0].name":                                false,
		"spec.jobTemplate.spec.template.containers":               false,
		"spec.jobTemplate.spec.template.spec.containers[1].image": false,
		"metadata.labels[a.b/c]":                                  false,
		"spec.jobTemplate.spec.template.spec.containers.args":     true,
		"": false,
	}
	paths := slices.Collect(maps.Keys(want))
	for i, got := range HaveFields(spec, paths) {
		if got != want[paths[i]] {
			t.Errorf("%q: %t", paths[i], got)
		}
	}
}
