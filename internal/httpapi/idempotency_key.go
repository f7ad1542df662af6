package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// idempotencyKeyHeader is that of draft-ietf-httpapi-idempotency-key-header.
const idempotencyKeyHeader = "Idempotency-Key"

// idempotencyKeyOf returns the key of a request, or "" where it has none. The draft makes it a string of RFC 8941, in
// quotes; most clients send it bare, which means the same.
func idempotencyKeyOf(r *http.Request) (string, error) {
	values := r.Header.Values(idempotencyKeyHeader)
	if len(values) == 0 {
		return "", nil
	}
	key, wrong := parseIdempotencyKey(values)
	if wrong != "" {
		return "", problem.New(problem.InvalidRequest, "invalid %s", idempotencyKeyHeader).At(idempotencyKeyHeader, wrong)
	}
	return key, nil
}

// parseIdempotencyKey returns the key, or what is wrong with it.
func parseIdempotencyKey(values []string) (key, wrong string) {
	if len(values) > 1 {
		return "", "must be sent once"
	}
	key = strings.TrimSpace(values[0])
	if inner, quoted := strings.CutPrefix(key, `"`); quoted {
		if key, quoted = unquote(inner); !quoted {
			return "", `must end with the quote that it begins with, and have \ before each other " and \`
		}
	} else if strings.ContainsAny(key, `"\,;`) {
		return "", `must be in quotes, since it has one of " \ , ; in it`
	}
	if len(key) == 0 || len(key) > maxIdempotencyKeyLength {
		return "", fmt.Sprintf("must have 1 to %d characters", maxIdempotencyKeyLength)
	}
	if strings.ContainsFunc(key, func(char rune) bool { return char <= ' ' || char > '~' }) {
		return "", "must consist of visible ASCII characters"
	}
	return key, ""
}

// unquote returns the text up to the quote that ends it, which must be the last character.
func unquote(text string) (string, bool) {
	var unquoted strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return unquoted.String(), i == len(text)-1
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
		case text[i] == '\\':
			return "", false
		}
		unquoted.WriteByte(text[i])
	}
	return "", false
}
