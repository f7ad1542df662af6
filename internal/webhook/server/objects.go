package server

import "bytes"

// fieldsKey is the key of an object that is kept as text: the fields that a field manager owns. It has an object for
// each.
var fieldsKey = []byte(`"fieldsV1":`)

// countObjects returns how many JSON objects body has, apart from those below fieldsV1. If body is not JSON, the number
// means nothing.
func countObjects(body []byte) int {
	number := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{':
			number++
		case '"':
			if bytes.HasPrefix(body[i:], fieldsKey) {
				i = endOfValue(body, i+len(fieldsKey)) - 1
			} else {
				i = endOfString(body, i) - 1
			}
		}
	}
	return number
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

// endOfValue returns the offset after the object or list that begins at start, or start where there is something
// else.
func endOfValue(body []byte, start int) int {
	depth := 0
	for i := start; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			i = endOfString(body, i) - 1
		}
		if depth == 0 {
			if body[i] == '}' || body[i] == ']' {
				return i + 1
			}
			return start
		}
	}
	return len(body)
}
