package server

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Kubernetes computes with all the digits of a quantity: to decode "1e100000000", with some digits more, takes minutes
// and much memory, and to print it again takes longer. Nothing can stop it, so such a review is not decoded.
const (
	// UndecodedPrefix begins the paths of webhooks that decode no quantities. They get reviews with costly ones, too.
	UndecodedPrefix = "/explain-"

	// maxQuantityDigits bounds the digits of a quantity. The largest one that Kubernetes takes has 19.
	maxQuantityDigits = 64

	// maxExponentDigits bounds the digits of its exponent.
	maxExponentDigits = 3
)

// quantityKeys are the keys of a Job whose values are quantities, or objects of quantities.
var quantityKeys = map[string]bool{
	"divisor":   true,
	"limits":    true,
	"overhead":  true,
	"requests":  true,
	"sizeLimit": true,
}

// hasCostlyQuantity reports whether body, which must be valid JSON, has a quantity that takes long to decode.
func hasCostlyQuantity(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '"' {
			continue
		}
		end := endOfString(body, i)
		value := afterColon(body, end)
		if value < len(body) && quantityKeys[keyOf(body[i:end])] && isCostlyValue(body, value) {
			return true
		}
		i = end - 1
	}
	return false
}

// keyOf returns the text of a JSON string.
func keyOf(quoted []byte) string {
	var key string
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	_ = json.Unmarshal(quoted, &key) // It is valid.
	return key
}

// afterColon returns the offset of the value whose key ends at end, or the length of body if what ends there is no key.
func afterColon(body []byte, end int) int {
	colon := skipSpace(body, end)
	if colon == len(body) || body[colon] != ':' {
		return len(body)
	}
	return skipSpace(body, colon+1)
}

func skipSpace(body []byte, from int) int {
	for from < len(body) && strings.IndexByte(" \t\r\n", body[from]) >= 0 {
		from++
	}
	return from
}

// isCostlyValue reports whether the value that begins at start is a costly quantity, or contains one.
func isCostlyValue(body []byte, start int) bool {
	depth := 0
	for i := start; i < len(body); {
		switch c := body[i]; {
		case c == '{' || c == '[':
			depth++
			i++
		case c == '}' || c == ']':
			depth--
			i++
		case c == '"':
			end := endOfString(body, i)
			if isCostlyQuantity(string(body[i+1 : end-1])) {
				return true
			}
			i = end
		case c == '-' || c >= '0' && c <= '9':
			length := bytes.IndexAny(body[i:], ",]} \t\r\n")
			if length < 0 {
				return false
			}
			if isCostlyQuantity(string(body[i : i+length])) {
				return true
			}
			i += length
		default:
			i++
			continue // Between the values, or in true, false or null, which are no quantities.
		}
		if depth <= 0 {
			return false
		}
	}
	return false
}

// isCostlyQuantity reports whether a text begins as a quantity does that takes long to decode.
func isCostlyQuantity(text string) bool {
	text = strings.TrimLeft(strings.TrimSpace(text), "+-")
	rest := strings.TrimLeft(text, "0123456789.")
	if len(text)-len(rest) > maxQuantityDigits {
		return true
	}
	if rest == "" || rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	exponent := strings.TrimLeft(rest[1:], "+-")
	return len(exponent)-len(strings.TrimLeft(exponent, "0123456789.")) > maxExponentDigits
}
