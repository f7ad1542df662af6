package main

import (
	"fmt"
	"io"

	"github.com/pb33f/libopenapi-validator/content"
	"sigs.k8s.io/yaml"
)

// closeSchemas forbids, in every schema that lists properties, all others. The published document does not, because
// answers may gain properties; a test has to notice when they do.
func closeSchemas(source []byte) ([]byte, error) {
	var document any
	if err := yaml.Unmarshal(source, &document); err != nil {
		return nil, fmt.Errorf("parsing the OpenAPI document: %w", err)
	}
	closeWithin(document)
	return yaml.Marshal(document)
}

func closeWithin(node any) {
	switch node := node.(type) {
	case []any:
		for _, element := range node {
			closeWithin(element)
		}
	case map[string]any:
		_, lists := node["properties"].(map[string]any)
		if _, says := node["additionalProperties"]; lists && !says && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, element := range node {
			closeWithin(element)
		}
	}
}

// decodeYAML is for the validator, which knows JSON only.
func decodeYAML(input *content.DecodeInput) (any, error) {
	source, err := io.ReadAll(input.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	var value any
	if err := yaml.Unmarshal(source, &value); err != nil {
		return nil, fmt.Errorf("parsing the body: %w", err)
	}
	return value, nil
}
