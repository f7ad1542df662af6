package gotemplate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// byteOrderMark is what some editors and services put before a text in UTF-8.
const byteOrderMark = "\uFEFF"

// notJSONError says why a text is not JSON, and at which of its bytes, counted from 1.
type notJSONError struct {
	what string
	at   int // 0 where the place says nothing
}

func (e *notJSONError) Error() string {
	if e.at == 0 {
		return "not JSON: " + e.what
	}
	return fmt.Sprintf("not JSON: %s at byte %d", e.what, e.at)
}

// checkJSON returns a *notJSONError for a text that is not one JSON value. The text has no byte order mark; skipped is
// the number of bytes before it. Names that an object has twice are an error too: the standard does not say which
// counts, and readers differ.
func checkJSON(text string, skipped int) error {
	if at := invalidUTF8(text); at >= 0 {
		return &notJSONError{"it is not UTF-8", skipped + at + 1}
	}
	if strings.Trim(text, " \t\r\n") == "" {
		return &notJSONError{what: "the text is empty"}
	}
	var raw json.RawMessage
	syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal([]byte(text), &raw))
	if ok {
		return jsonProblem(text, syntax, skipped)
	}
	if name, at := duplicateName(text); at >= 0 {
		return fmt.Errorf("the JSON has the name %s twice in one object, at byte %d", Abridge(name), skipped+at+1)
	}
	return nil
}

// jsonProblem says an error of syntax in the words of the standard.
func jsonProblem(text string, err *json.SyntaxError, skipped int) error {
	at := int(err.Offset) - 1
	switch {
	case strings.Contains(err.Error(), "exceeded max depth"):
		return errNesting
	case at < 0 || at >= len(text) || strings.HasPrefix(err.Error(), "unexpected end"):
		return &notJSONError{"unexpected end of the text", skipped + len(text)}
	}
	char, _ := utf8.DecodeRuneInString(text[at:])
	problem := &notJSONError{"unexpected " + quotedCharacter(char), skipped + at + 1}
	if strings.HasSuffix(err.Error(), "after top-level value") {
		problem.what += " after the value"
	}
	return problem
}

// quotedCharacter names a character in a message.
func quotedCharacter(char rune) string {
	switch char {
	case '"':
		return `'"'`
	case utf8.RuneError:
		return "character"
	default:
		return strconv.Quote(string(char))
	}
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for at := 0; at < len(text); {
		char, size := utf8.DecodeRuneInString(text[at:])
		if char == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// duplicateName returns the first name that an object in a valid JSON text has twice, with its quotes, and the offset
// of the second one, or -1.
func duplicateName(text string) (string, int) {
	var open []map[string]bool // the names of each object that is open; nil for a list
	isName := false            // The next text may be a name.
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '{':
			open, isName = append(open, map[string]bool{}), true
		case '[':
			open, isName = append(open, nil), false
		case '}', ']':
			open = open[:len(open)-1]
		case ',':
			isName = len(open) > 0 && open[len(open)-1] != nil
		case '"':
			begin := at
			for at++; text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
			if !isName {
				continue
			}
			isName = false
			name, names := text[begin:at+1], open[len(open)-1]
			if strings.Contains(name, `\`) {
				name = plainName(name)
			}
			if names[name] {
				return name, begin
			}
			names[name] = true
		}
	}
	return "", -1
}

// plainName returns a name without escapes: "\u0061" is "a".
func plainName(name string) string {
	var plain string
	if err := json.Unmarshal([]byte(name), &plain); err != nil {
		return name
	}
	return `"` + plain + `"`
}
