package render

import "testing"

func TestTemplatePath(t *testing.T) {
	for _, test := range []struct{ reason, job, want string }{
		{"the Job's spec", "spec.template.spec.restartPolicy", "spec.jobTemplate.spec.template.spec.restartPolicy"},
		{"the Job's metadata", "metadata.labels", "spec.jobTemplate.metadata.labels"},
		{"an index stays", "spec.template.spec.containers[0].name", "spec.jobTemplate.spec.template.spec.containers[0].name"},
		{"validation leaves metadata out", "spec.template.labels", "spec.jobTemplate.spec.template.metadata.labels"},
		{"the same with a key", "spec.template.annotations[a/b]", "spec.jobTemplate.spec.template.metadata.annotations[a/b]"},
		{"no other field that begins so", "spec.template.labelsX", "spec.jobTemplate.spec.template.labelsX"},
		{"a policy that names no field", "", "spec.jobTemplate"},
		{"a nil path as it prints", "<nil>", "spec.jobTemplate"},
	} {
		if got := TemplatePath(nil, test.job); got != test.want {
			t.Errorf("%s: TemplatePath(%q) = %q, want %q", test.reason, test.job, got, test.want)
		}
	}
}
