// Command trimcrd adapts the generated CRDs.
//
//	trimcrd FILE...
//
// It declares metadata.name, so that a validation rule can name it as the field that is wrong.
//
// In spec.jobTemplate, it declares the fields of the manifest of a Job that no template can have, such as
// metadata.uid. The API server then hands them to admission, which names all of them at once, and says to leave them
// out.
//
// In the conditions of JobExecutions, it makes lastTransitionTime optional: the default status has none, because a
// default cannot have the time at which an object was created.
//
// Below spec.jobTemplate, which is a template and not a Job, it removes
//
//   - the descriptions of the fields of Kubernetes. With them, the file would be ten times as large and would not fit
//     into the annotation of `kubectl apply`. `kubectl explain cronjob.spec.jobTemplate` shows the same text;
//   - the validation rules that forbid changes (CEL with oldSelf). They are for Jobs. A template may change;
//   - some fields from those that are required, since the API server takes a Job without them.
//
// and it changes the quantities there: they may be numbers, as in a Job, and are bounded: some of 30 bytes take Go
// programs hours to read or to print.
//
// It must not change our own fields. Running it again does not change the files.
package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

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
			if err := relaxConditions(root); err != nil {
				return nil, err
			}
			continue
		}
		spec := root.Properties["spec"]
		job, found := spec.Properties["jobTemplate"]
		if !found {
			return nil, errors.New("the CRD has no spec.jobTemplate")
		}
		trimBelow(&job)
		declareExcess(&job)
		spec.Properties["jobTemplate"] = job
	}
	content, err := yaml.Marshal(crd)
	if err != nil {
		return nil, fmt.Errorf("writing the definition: %w", err)
	}
	return append([]byte("---\n"), content...), nil
}

// declareExcess declares the fields of a Job's manifest that are missing. Those of metadata are missing in any embedded
// object.
func declareExcess(job *apiextensionsv1.JSONSchemaProps) {
	const description = "It belongs to a Job, not to a template: leave it out."
	text := apiextensionsv1.JSONSchemaProps{Description: description, Type: "string"}
	number := apiextensionsv1.JSONSchemaProps{Description: description, Type: "integer", Format: "int64"}
	time := apiextensionsv1.JSONSchemaProps{
		Description: description, Type: "string", Format: "date-time", Nullable: true,
	}
	object := apiextensionsv1.JSONSchemaProps{
		Description: description, Type: "object", XPreserveUnknownFields: new(true),
	}
	list := apiextensionsv1.JSONSchemaProps{
		Description: description, Type: "array",
		Items: &apiextensionsv1.JSONSchemaPropsOrArray{
			Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)},
		},
	}
	declare(job, map[string]apiextensionsv1.JSONSchemaProps{"apiVersion": text, "kind": text, "status": object})
	if metadata, found := job.Properties["metadata"]; found {
		declare(&metadata, map[string]apiextensionsv1.JSONSchemaProps{
			"generateName": text, "selfLink": text, "uid": text, "resourceVersion": text, "generation": number,
			"creationTimestamp": time, "deletionTimestamp": time, "deletionGracePeriodSeconds": number,
			"ownerReferences": list, "managedFields": list,
		})
		job.Properties["metadata"] = metadata
	}
	// The manifest of a Job that a program of Go has written has this one, too.
	if metadata, found := podMetadata(job); found {
		declare(&metadata, map[string]apiextensionsv1.JSONSchemaProps{"creationTimestamp": time})
	}
}

// podMetadata returns the schema of the metadata of the pods of a Job.
func podMetadata(job *apiextensionsv1.JSONSchemaProps) (apiextensionsv1.JSONSchemaProps, bool) {
	metadata, found := job.Properties["spec"].Properties["template"].Properties["metadata"]
	return metadata, found
}

// declare adds properties to a schema.
func declare(schema *apiextensionsv1.JSONSchemaProps, properties map[string]apiextensionsv1.JSONSchemaProps) {
	if schema.Properties == nil {
		schema.Properties = map[string]apiextensionsv1.JSONSchemaProps{}
	}
	maps.Copy(schema.Properties, properties)
}

// relaxConditions makes the lastTransitionTime of conditions optional.
func relaxConditions(root *apiextensionsv1.JSONSchemaProps) error {
	conditions := root.Properties["status"].Properties["conditions"]
	if conditions.Items == nil || conditions.Items.Schema == nil {
		return errors.New("the CRD has no status.conditions")
	}
	condition := conditions.Items.Schema
	condition.Required = slices.DeleteFunc(condition.Required, func(field string) bool {
		return field == "lastTransitionTime"
	})
	return nil
}

// trimBelow trims every schema below this one, but not this one.
func trimBelow(schema *apiextensionsv1.JSONSchemaProps) {
	for name, property := range schema.Properties {
		trimSchema(&property)
		relax(name, &property)
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

// optional are fields that the Go types declare as required, by the fields that contain them. The API server takes a
// Job without them.
var optional = map[string]string{
	"httpHeaders": "value",
	"sysctls":     "value",
	"iscsi":       "lun",
	"sleep":       "seconds",
}

// relax makes a field of schema optional that is not required in a Job. name is the field that has the schema.
func relax(name string, schema *apiextensionsv1.JSONSchemaProps) {
	field, ok := optional[name]
	if !ok {
		return
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		schema = schema.Items.Schema
	}
	schema.Required = slices.DeleteFunc(schema.Required, func(required string) bool { return required == field })
}

func trimSchema(schema *apiextensionsv1.JSONSchemaProps) {
	schema.Description = ""
	schema.XValidations = nil
	if schema.Pattern == quantity {
		*schema = quantitySchema()
	}
	trimBelow(schema)
}

// quantitySchema returns the schema of a quantity. The type of controller-gen's takes integers and strings, and refuses
// `cpu: 0.5`. No type takes integers, other numbers and strings, so this takes everything, and then refuses the rest.
// Numbers need no bound: what the API server can read has at most three digits in its exponent.
func quantitySchema() apiextensionsv1.JSONSchemaProps {
	return apiextensionsv1.JSONSchemaProps{
		XPreserveUnknownFields: new(true),
		Pattern:                boundedQuantity,
		MaxLength:              new(int64(maxQuantityLength)),
		MaxProperties:          new(int64(0)),
		MaxItems:               new(int64(0)),
		Not: &apiextensionsv1.JSONSchemaProps{Enum: []apiextensionsv1.JSON{
			{Raw: []byte("true")}, {Raw: []byte("false")}, {Raw: []byte("{}")}, {Raw: []byte("[]")},
		}},
	}
}
