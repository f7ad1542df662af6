package gotemplate

import (
	"encoding/json"

	"go.yaml.in/yaml/v2"
)

// YAML prints a value as YAML by its JSON form, with sorted keys and a newline at the end, as kubectl does. It does
// not go through sigs.k8s.io/yaml, which reads the JSON as YAML first: what is no YAML is an error there, like U+007F
// or a key of more than 1024 characters, and U+0085 becomes a space.
func YAML(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	tree, err := decodedJSON(string(text))
	if err != nil {
		return nil, err
	}
	return yaml.Marshal(tree)
}
