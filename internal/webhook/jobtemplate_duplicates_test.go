package webhook

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"
)

func TestDuplicatesAreExplained(t *testing.T) {
	const pod = "spec.jobTemplate.spec.template.spec."
	for _, test := range []struct {
		reason, pod string
		want        map[string]string // field and what its message contains
	}{
		{"no duplicates", `{containers: [{env: [{name: A}, {name: B}]}, {env: [{name: A}]}], initContainers: [{env: [{name: A}]}]}`, nil},
		{"a variable", `{containers: [{}, {env: [{name: A, value: x}, {name: B}, {name: A}]}]}`, map[string]string{
			pod + "containers[1].env[2]": "leave out " + pod + "containers[1].env[0]"}},
		{"of an init container, three times", `{initContainers: [{env: [{name: A}, {name: A}, {name: A}]}]}`, map[string]string{
			pod + "initContainers[0].env[1]": "env[0]", pod + "initContainers[0].env[2]": "env[0]"}},
		{"a port, once with the protocol that is the default",
			`{containers: [{ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}, {containerPort: 80, protocol: TCP}]}]}`,
			map[string]string{pod + "containers[0].ports[2]": "ports[0]"}},
		{"a pull secret", `{imagePullSecrets: [{name: a}, {name: b}, {name: a}]}`,
			map[string]string{pod + "imagePullSecrets[2]": "imagePullSecrets[0]"}},
		{"a host alias", `{hostAliases: [{ip: 10.0.0.1, hostnames: [a]}, {ip: 10.0.0.1, hostnames: [b]}]}`,
			map[string]string{pod + "hostAliases[1]": "hostnames"}},
		{"what the schema will refuse", `{containers: [{env: [{name: 1}, {name: 1}]}]}`, nil},
		{"no object at all", `7`, nil},
	} {
		object, err := yaml.YAMLToJSON([]byte(`{spec: {jobTemplate: {spec: {template: {spec: ` + test.pod + `}}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		response := duplicateExplainer{}.Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
			Name: "a", Object: runtime.RawExtension{Raw: object}}})
		if response.Allowed != (test.want == nil) || len(response.Patches) > 0 {
			t.Errorf("%s: allowed: %v, patches: %v", test.reason, response.Allowed, response.Patches)
			continue
		}
		if response.Allowed {
			continue
		}
		if response.Result.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: code %d", test.reason, response.Result.Code)
		}
		got := map[string]string{}
		for _, cause := range response.Result.Details.Causes {
			got[cause.Field] = test.want[cause.Field]
			if !strings.Contains(cause.Message, test.want[cause.Field]) {
				t.Errorf("%s: %s: %s", test.reason, cause.Field, cause.Message)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: causes (-want +got):\n%s", test.reason, diff)
		}
	}
}

// An answer has a bound, however many duplicates there are.
func TestDuplicatesAreBounded(t *testing.T) {
	object := `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"imagePullSecrets":[{"name":"a"}` +
		strings.Repeat(`,{"name":"a"}`, 10_000) + `]}}}}}}`
	response := duplicateExplainer{}.Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Object: runtime.RawExtension{Raw: []byte(object)}}})
	if response.Allowed || len(response.Result.Details.Causes) > maxDuplicates {
		t.Errorf("allowed: %v, %d causes", response.Allowed, len(response.Result.Details.Causes))
	}
}
