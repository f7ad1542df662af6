// Command trimcrd adapts the generated CRDs.
//
//	trimcrd FILE...
//
// It declares metadata.name, so that a validation rule can name it as the field that is wrong.
//
// Below spec.jobTemplate, which is a template and not a Job, it removes
//
//   - the descriptions of the fields of Kubernetes. With them, the file would be ten times as large and would not fit
//     into the annotation of `kubectl apply`. `kubectl explain cronjob.spec.jobTemplate` shows the same text;
//   - the validation rules that forbid changes (CEL with oldSelf). They are for Jobs. A template may change.
//
// and it bounds the quantities there: some of 30 bytes take Go programs hours to read or to print.
//
// It must not change our own fields. Running it again does not change the files.
package main

import (
	"errors"
	"fmt"
	"os"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// definition is a CustomResourceDefinition without its status, which only the API server writes.
type definition struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec apiextensionsv1.CustomResourceDefinitionSpec `json:"spec"`
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: trimcrd FILE...")
		os.Exit(2)
	}
	for _, file := range os.Args[1:] {
		if err := run(file); err != nil {
			fmt.Fprintln(os.Stderr, "trimcrd:", err)
			os.Exit(1)
		}
	}
}

func run(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if content, err = trim(content); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, content, 0o644)
}

func trim(content []byte) ([]byte, error) {
	var crd definition
	if err := yaml.UnmarshalStrict(content, &crd); err != nil {
		return nil, fmt.Errorf("reading the definition: %w", err)
	}
	for i := range crd.Spec.Versions {
		root := crd.Spec.Versions[i].Schema.OpenAPIV3Schema
		root.Properties["metadata"] = apiextensionsv1.JSONSchemaProps{
			Type:       "object",
			Properties: map[string]apiextensionsv1.JSONSchemaProps{"name": {Type: "string"}},
		}
		if crd.Spec.Names.Kind != "JobTemplate" {
			continue
		}
		spec := root.Properties["spec"]
		job, found := spec.Properties["jobTemplate"]
		if !found {
			return nil, errors.New("the CRD has no spec.jobTemplate")
		}
		trimBelow(&job)
		spec.Properties["jobTemplate"] = job
	}
	content, err := yaml.Marshal(crd)
	if err != nil {
		return nil, fmt.Errorf("writing the definition: %w", err)
	}
	return append([]byte("---\n"), content...), nil
}

// trimBelow trims every schema below this one, but not this one.
func trimBelow(schema *apiextensionsv1.JSONSchemaProps) {
	for name, property := range schema.Properties {
		trimSchema(&property)
		schema.Properties[name] = property
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		trimSchema(schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		trimSchema(schema.AdditionalProperties.Schema)
	}
}

const (
	// quantity is the pattern that controller-gen writes for a quantity.
	quantity = `^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|` +
		`([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$`

	// boundedQuantity has at most three digits in its exponent. The largest quantity is 9e18.
	boundedQuantity = `^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,3}))?$`

	// maxQuantityLength is the most characters of a quantity.
	maxQuantityLength = 64
)

func trimSchema(schema *apiextensionsv1.JSONSchemaProps) {
	schema.Description = ""
	schema.XValidations = nil
	if schema.Pattern == quantity {
		schema.Pattern, schema.MaxLength = boundedQuantity, new(int64(maxQuantityLength))
	}
	trimBelow(schema)
}
