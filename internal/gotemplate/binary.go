package gotemplate

import (
	"reflect"
	"strings"
	"unicode/utf8"
)

// Functions such as b64dec can make binary data, which is no text. Templates may hash it or encode it again, but can
// neither print it nor give it to a function that replaces what is not UTF-8 by another character.

// binaryError says that binary data stands where text is needed.
type binaryError struct{ madeBy string }

func (e *binaryError) Error() string {
	what := "the result is"
	if e.madeBy != "" {
		what = "the result of " + e.madeBy + " is"
	}
	return what + " binary data, and a Job can only hold text (UTF-8): print it with b64enc, " +
		"and decode it in the container, for example with base64 -d"
}

// checkText notes the first function that makes binary data, and refuses a text in which a function has replaced
// parts of binary data.
func (b *budget) checkText(function string, result reflect.Value) error {
	if result.Kind() != reflect.String {
		return nil
	}
	switch text := result.String(); {
	case b.binaryFrom == "":
		if !utf8.ValidString(text) {
			b.binaryFrom = function
		}
	case strings.ContainsRune(text, utf8.RuneError) && utf8.ValidString(text) || strings.Contains(text, `\ufffd`):
		return &binaryError{b.binaryFrom}
	}
	return nil
}
