package gotemplate

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// boundFromYAML is for fromYaml. Each value of the text has one of these characters before it or behind it.
func boundFromYAML(c *call) (int, error) {
	text, values := c.text(0), 1
	for _, char := range []byte(text) {
		switch char {
		case '[', '{', ',', ':', '-', '?', '\n':
			values++
		}
	}
	return c.writes(4*len(text) + 256*values)
}

// fromYAML reads one YAML document. It takes no aliases: a short text with them can stand for a value of any size.
func fromYAML(text string) (any, error) {
	decoder := yamlv3.NewDecoder(strings.NewReader(text))
	var value any
	for read := 0; ; read++ {
		var document yamlv3.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return value, nil
		} else if err != nil {
			return nil, errors.New("not YAML: " + strings.TrimPrefix(err.Error(), "yaml: "))
		}
		next, err := yamlDocument(&document)
		if err != nil {
			return nil, err
		}
		if read > 0 && next != nil {
			return nil, errDocuments
		}
		if read == 0 {
			value = next
		}
	}
}

var errDocuments = errors.New("the text has more than one YAML document: split it at its --- lines")

func yamlDocument(document *yamlv3.Node) (any, error) {
	if len(document.Content) == 0 {
		return nil, nil
	}
	return yamlValue(document.Content[0], 0)
}

func yamlValue(node *yamlv3.Node, depth int) (any, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	switch node.Kind {
	case yamlv3.ScalarNode:
		return yamlScalar(node)
	case yamlv3.SequenceNode:
		list := make([]any, len(node.Content))
		for i, item := range node.Content {
			value, err := yamlValue(item, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	case yamlv3.MappingNode:
		dict := make(map[string]any, len(node.Content)/2)
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if key.Kind != yamlv3.ScalarNode {
				return nil, fmt.Errorf("line %d: a key must be text", key.Line)
			}
			if _, twice := dict[key.Value]; twice {
				return nil, fmt.Errorf("line %d: key %q is already there", key.Line, key.Value)
			}
			value, err := yamlValue(node.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			dict[key.Value] = value
		}
		return dict, nil
	case yamlv3.AliasNode:
		return nil, fmt.Errorf("line %d: fromYaml takes no aliases", node.Line)
	}
	return nil, errors.New("not a YAML value")
}

// yamlScalar gives numbers and truth values as JSON has them, and all else, such as dates, as the text that stands
// there.
func yamlScalar(node *yamlv3.Node) (any, error) {
	switch node.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		var value bool
		if node.Decode(&value) != nil {
			return nil, fmt.Errorf("line %d: not a truth value", node.Line)
		}
		return value, nil
	case "!!int", "!!float":
		return yamlNumber(node)
	}
	if _, err := readNumber(node.Value); node.Style == 0 && err != nil && !errors.Is(err, errNoNumber) {
		return nil, fmt.Errorf("line %d: %w", node.Line, err) // The YAML library takes 1e400 for text.
	}
	return node.Value, nil
}

// yamlNumber reads a number, which may also be written like 0x1f or 1_000.
func yamlNumber(node *yamlv3.Node) (any, error) {
	if n, err := strconv.ParseInt(node.Value, 0, 64); err == nil {
		return n, nil
	}
	text := strings.ReplaceAll(node.Value, "_", "")
	n, err := readNumber(text)
	if errors.Is(err, errNoNumber) && len(text) <= maxDigits {
		if large, ok := new(big.Int).SetString(text, 0); ok {
			n, err = readNumber(large.String())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	return n, nil
}
