package gotemplate

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/Masterminds/sprig/v3"
)

// urlFunctions read addresses, and what HTML forms and many webhooks send: application/x-www-form-urlencoded.
var urlFunctions = func() map[string]function {
	parse := sprig.TxtFuncMap()["urlParse"].(func(string) map[string]any)
	return map[string]function{
		"urlDecode": {urlDecoded, boundText(1)},
		"fromForm":  {fromForm, boundFromForm},
		"urlParse": {func(text string) (map[string]any, error) {
			parts := parse(text)
			for _, part := range parts {
				if part, _ := part.(string); invalidUTF8(part) >= 0 {
					return nil, errNotText
				}
			}
			return parts, nil
		}, boundText(8)},
	}
}()

const notForm = "not a form, which is NAME=VALUE&NAME=VALUE"

var errNotText = errors.New("the escapes do not stand for text (UTF-8)")

// boundFromForm is for fromForm, which makes a list for each name.
func boundFromForm(c *call) (int, error) {
	pairs := strings.Count(c.text(0), "&") + 1
	return c.writes(len(c.text(0)) + times(pairs, 256) + dictMemory)
}

// urlDecoded is the opposite of urlquery: + is a space, and %41 is A.
func urlDecoded(text string) (string, error) {
	decoded, err := url.QueryUnescape(text)
	if err != nil {
		return "", fmt.Errorf(
			"the %% at byte %d has no two hexadecimal digits behind it: write %%25 for a %%", badEscape(text)+1,
		)
	}
	if invalidUTF8(decoded) >= 0 {
		return "", errNotText
	}
	return decoded, nil
}

// badEscape returns the offset of the first % without two hexadecimal digits behind it.
func badEscape(text string) int {
	for at := range len(text) {
		if text[at] == '%' && (at+2 >= len(text) || !isHex(text[at+1]) || !isHex(text[at+2])) {
			return at
		}
	}
	return 0
}

func isHex(char byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", char) >= 0 }

// fromForm reads a body of application/x-www-form-urlencoded into a dictionary of lists: a name may come several
// times. A name without = has the empty text as its value, but a text without any = is no form.
func fromForm(text string) (map[string]any, error) {
	text = strings.TrimRight(strings.TrimPrefix(text, byteOrderMark), "\r\n")
	form := map[string]any{}
	at := 0
	for pair := range strings.SplitSeq(text, "&") {
		begin := at
		at += len(pair) + 1
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		bad := strings.IndexAny(name, " {}\"<>\t\r\n")
		if strings.HasPrefix(name, "[") {
			bad = 0
		}
		if bad >= 0 {
			return nil, fmt.Errorf("%s: unexpected %s at byte %d", notForm, quotedCharacter(rune(name[bad])), begin+bad+1)
		}
		decodedName, err := urlDecoded(name)
		if err != nil {
			return nil, fmt.Errorf("the name at byte %d: %w", begin+1, err)
		}
		decodedValue, err := urlDecoded(value)
		if err != nil {
			return nil, fmt.Errorf("the value at byte %d: %w", begin+len(name)+2, err)
		}
		values, _ := form[decodedName].([]any)
		form[decodedName] = append(values, decodedValue)
	}
	if text != "" && !strings.Contains(text, "=") {
		return nil, fmt.Errorf("%s: it has no =", notForm)
	}
	return form, nil
}
