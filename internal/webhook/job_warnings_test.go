package webhook

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplateWarnings(t *testing.T) {
	for _, test := range []struct {
		reason, text string
		want         []string
	}{
		{"about a field", "spec.template.spec.containers[0]: odd: very", []string{"spec.jobTemplate.spec.template.spec.containers[0]: odd: very"}},
		{"about the whole", `would violate PodSecurity "restricted": a: b`, []string{`spec.jobTemplate: would violate PodSecurity "restricted": a: b`}},
		{"about the stand-in name", "metadata.name: a DNS label is recommended", nil},
	} {
		if diff := cmp.Diff(test.want, templateWarnings([]string{test.text})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
	}
}

func TestCollectingHandler(t *testing.T) {
	handler := collectingHandler{}
	ctx, mine := collectWarnings(t.Context())
	other, theirs := collectWarnings(t.Context())

	handler.HandleWarningHeaderWithContext(ctx, 299, "-", "first")
	handler.HandleWarningHeaderWithContext(ctx, 199, "-", "not from Kubernetes")
	handler.HandleWarningHeaderWithContext(ctx, 299, "-", "second")
	handler.HandleWarningHeaderWithContext(other, 299, "-", "of another request")
	handler.HandleWarningHeaderWithContext(t.Context(), 299, "-", "of no request")

	if diff := cmp.Diff([]string{"first", "second"}, mine.list()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"of another request"}, theirs.list()); diff != "" {
		t.Errorf("warnings of the other request (-want +got):\n%s", diff)
	}
}
