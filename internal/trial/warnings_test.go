package trial

import "testing"

func TestTemplateWarning(t *testing.T) {
	for _, test := range []struct{ reason, text, want string }{
		{"about a field", "spec.template.spec.containers[0]: odd: very",
			"spec.jobTemplate.spec.template.spec.containers[0]: odd: very"},
		{"about a field of metadata", "metadata.labels: odd", "spec.jobTemplate.metadata.labels: odd"},
		{"about the whole Job", `would violate PodSecurity "restricted": a: b`,
			`spec.jobTemplate: would violate PodSecurity "restricted": a: b`},
		{"without a path", "odd", "spec.jobTemplate: odd"},
		{"about the stand-in name", "metadata.name: a DNS label is recommended", ""},
	} {
		if got, told := templateWarning(nil, test.text); got != test.want || told != (test.want != "") {
			t.Errorf("%s: got %q, %v; want %q", test.reason, got, told, test.want)
		}
	}
}
