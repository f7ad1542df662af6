package server

import (
	"bytes"
	"encoding/json"
)

// maxPreamble is how much of a review comes before its object at most: names, kinds and resources.
const maxPreamble = 4 << 10

// namespaceOf returns the namespace that a review names, if that comes before the object, as the API server writes it.
// It is what the sender claims.
func namespaceOf(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(body[:min(len(body), maxPreamble)]))
	if !enter(decoder) || !find(decoder, "request") || !enter(decoder) || !find(decoder, "namespace") {
		return ""
	}
	value, _ := decoder.Token()
	namespace, _ := value.(string)
	return namespace
}

// enter reads the beginning of an object.
func enter(decoder *json.Decoder) bool {
	token, err := decoder.Token()
	return err == nil && token == json.Delim('{')
}

// find reads an object up to the value of a key.
func find(decoder *json.Decoder, key string) bool {
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil || token == key {
			return err == nil
		}
		if err := decoder.Decode(&json.RawMessage{}); err != nil {
			return false
		}
	}
	return false
}
