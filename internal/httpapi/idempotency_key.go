package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// idempotencyKeyHeader is that of draft-ietf-httpapi-idempotency-key-header.
const idempotencyKeyHeader = "Idempotency-Key"

// idempotencyKeyOf returns the key of a request, or "" where it has none.
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

// parseIdempotencyKey returns the key, or what is wrong with it. The draft makes it a string of RFC 9651, in quotes;
// most clients send it bare, which means the same.
func parseIdempotencyKey(values []string) (key, wrong string) {
	if len(values) > 1 {
		return "", "must be sent once"
	}
	key = strings.TrimSpace(values[0])
	if strings.HasPrefix(key, `"`) {
		item, err := httpsfv.UnmarshalItem(values)
		text, ok := item.Value.(string)
		if err != nil || !ok || len(item.Params.Names()) > 0 {
			return "", `must be a string of RFC 9651: ASCII characters in quotes, with \ before each " and \ among them`
		}
		key = text
	} else if strings.ContainsFunc(key, needsQuotes) {
		return "", `must consist of visible ASCII characters; one with a space or one of " \ , ; must be in quotes`
	}
	if len(key) == 0 || len(key) > maxIdempotencyKeyLength {
		return "", fmt.Sprintf("must have 1 to %d characters", maxIdempotencyKeyLength)
	}
	return key, ""
}

// needsQuotes tells whether a character cannot be in a key without quotes.
func needsQuotes(char rune) bool {
	return char <= ' ' || char > '~' || strings.ContainsRune(`"\,;`, char)
}
