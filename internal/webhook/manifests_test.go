package webhook

import (
	"bytes"
	"os"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

// The generated manifest and the code must say the same about the paths of webhooks and about time.
func TestManifestFitsTheCode(t *testing.T) {
	manifests, err := os.ReadFile("../../config/webhook/manifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	registered := map[string]admissionregistrationv1.ValidatingWebhook{}
	for document := range bytes.SplitSeq(manifests, []byte("\n---\n")) {
		// A mutating configuration reads the same way, as far as is needed here.
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		if err := yaml.Unmarshal(document, configuration); err != nil {
			t.Fatal(err)
		}
		for _, webhook := range configuration.Webhooks {
			registered[*webhook.ClientConfig.Service.Path] = webhook
		}
	}
	if len(registered) != 5 {
		t.Errorf("%d webhooks, want 5", len(registered))
	}
	for path, webhook := range registered {
		limit, policy := admissionTimeout, admissionregistrationv1.Fail
		switch path {
		case deletionPath:
			limit, policy = deletionTimeout, admissionregistrationv1.Ignore
		case duplicatesPath: // It waits for nothing.
			limit, policy = 0, admissionregistrationv1.Ignore
		}
		if waits := time.Duration(*webhook.TimeoutSeconds) * time.Second; waits <= limit {
			t.Errorf("%s: the API server waits %s, the answer may take %s", path, waits, limit)
		}
		if *webhook.FailurePolicy != policy {
			t.Errorf("%s: failurePolicy %s, want %s", path, *webhook.FailurePolicy, policy)
		}
	}
	for _, path := range []string{deletionPath, duplicatesPath} {
		if _, found := registered[path]; !found {
			t.Errorf("no webhook has the path %s", path)
		}
	}
}
