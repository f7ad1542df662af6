package gotemplate

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strconv"

	"go.yaml.in/yaml/v2"
)

// YAML prints a value as YAML by its JSON form, with sorted keys and a newline at the end, as kubectl does. It does
// not go through sigs.k8s.io/yaml, which reads the JSON as YAML first: what is no YAML is an error there, like U+007F
// or a key of more than 1024 characters, and U+0085 becomes a space. Numbers are printed as in JSON.
func YAML(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	tree, err := decodedJSON(string(text))
	if err != nil {
		return nil, err
	}
	numbers := yamlNumbers{mark: "number-" + rand.Text() + "-"}
	tree = numbers.replace(tree)
	printed, err := yaml.Marshal(tree)
	if err != nil || len(numbers.texts) == 0 {
		return printed, err
	}
	return numbers.restore(printed), nil
}

// yamlNumbers are numbers that the YAML library would print in another way: 1000000.5 as 1.0000005e+06. Words that
// nobody can guess stand for them until all is printed.
type yamlNumbers struct {
	mark  string
	texts []string
}

// replace replaces the numbers in value, in place.
func (n *yamlNumbers) replace(value any) any {
	switch v := value.(type) {
	case float64:
		if text := shownFloat(v).String(); text != strconv.FormatFloat(v, 'g', -1, 64) {
			return n.word(text)
		}
	case digits:
		return n.word(v.text)
	case []any:
		for i, item := range v {
			v[i] = n.replace(item)
		}
	case map[string]any:
		for key, item := range v {
			v[key] = n.replace(item)
		}
	}
	return value
}

// word returns a word that stands for text.
func (n *yamlNumbers) word(text string) string {
	n.texts = append(n.texts, text)
	return n.mark + strconv.Itoa(len(n.texts)-1) + "-"
}

// restore puts the numbers where their words are.
func (n *yamlNumbers) restore(printed []byte) []byte {
	restored := make([]byte, 0, len(printed))
	for {
		before, after, found := bytes.Cut(printed, []byte(n.mark))
		restored = append(restored, before...)
		if !found {
			return restored
		}
		number, rest, _ := bytes.Cut(after, []byte("-"))
		i, _ := strconv.Atoi(string(number))
		restored = append(restored, n.texts[i]...)
		printed = rest
	}
}
