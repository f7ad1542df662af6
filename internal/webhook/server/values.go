package server

import "bytes"

// fieldsKey is the key of an object that is kept as text: the fields that a field manager owns. It has an object for
// each.
var fieldsKey = []byte(`"fieldsV1":`)

// values are the numbers of JSON values in a body, apart from those below fieldsV1.
type values struct {
	// elements are the objects, the lists and the items of lists. Whatever an item is, even null, it may be decoded to
	// a whole struct, such as a container.
	elements int
	// members are the keys of objects, but the first of each.
	members int
}

func (v values) number() int { return v.elements + v.members }

// weight estimates the memory that the values take, with their copies.
func (v values) weight() int64 { return int64(v.elements)*perElement + int64(v.members)*perMember }

// countValues counts the values of body, which must be valid JSON. It stops above maxValues.
func countValues(body []byte) values {
	counted := values{}
	var open []byte // the objects and lists that are open, the innermost last
	for i := 0; i < len(body) && counted.number() <= maxValues; i++ {
		switch body[i] {
		case '{', '[':
			counted.elements++
			open = append(open, body[i])
		case '}', ']':
			open = open[:max(len(open)-1, 0)]
		case ',':
			if len(open) > 0 && open[len(open)-1] == '[' {
				counted.elements++
			} else {
				counted.members++
			}
		case '"':
			if bytes.HasPrefix(body[i:], fieldsKey) {
				i = endOfObject(body, i+len(fieldsKey)) - 1
			} else {
				i = endOfString(body, i) - 1
			}
		}
	}
	return counted
}

// endOfString returns the offset after the string that begins at start.
func endOfString(body []byte, start int) int {
	for i := start + 1; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(body)
}

// endOfObject returns the offset after the object that begins at start. Where something else is there, or a list is in
// it, which field managers' fields do not have, it returns start.
func endOfObject(body []byte, start int) int {
	depth := 0
	for i := start; i < len(body); i++ {
		switch body[i] {
		case '{':
			depth++
		case '}':
			depth--
		case '[':
			return start
		case '"':
			i = endOfString(body, i) - 1
		}
		if depth == 0 {
			if body[i] == '}' {
				return i + 1
			}
			return start
		}
	}
	return len(body)
}
