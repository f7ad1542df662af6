package gotemplate

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// encodingFunctions read and write other formats. Where sprig's b64dec and b32dec return the text of their error as
// if it were the result, and its fromJson returns nothing, these fail. fromJson gives whole numbers as int64, so that
// 1000000 is not printed as 1e+06.
var encodingFunctions = map[string]function{
	"fromJson":     {fromJSON, boundFromJSON},
	"mustFromJson": {mustFromJSON, boundMustFromJSON},
	"toYaml":       {toYAML, boundYAML},
	"fromYaml":     {fromYAML, boundFromYAML},
	"b64dec":       {fromBase64, boundText(1)},
	"b32dec":       {fromBase32, boundText(1)},
}

// The characters of the encodings, as in RFC 4648.
const (
	base32Characters = capitals + "234567"
	base64Characters = capitals + "abcdefghijklmnopqrstuvwxyz0123456789+/"
	capitals         = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func fromBase64(text string) (string, error) {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		return string(decoded), nil
	}
	err = notBase("base64", base64Characters, text)
	if strings.ContainsAny(text, "-_") {
		err = fmt.Errorf("%w: for the URL alphabet, replace - by + and _ by / first", err)
	}
	return "", err
}

func fromBase32(text string) (string, error) {
	decoded, err := base32.StdEncoding.DecodeString(text)
	if err != nil {
		return "", notBase("base32", base32Characters, text)
	}
	return string(decoded), nil
}

// notBase says why a text is not in an encoding whose characters are given.
func notBase(encoding, characters, text string) error {
	for at, char := range strings.TrimRight(text, "=\r\n") {
		if !strings.ContainsRune(characters+"\r\n", char) {
			return fmt.Errorf("not %s: unexpected %s at byte %d", encoding, quotedCharacter(char), at+1)
		}
	}
	return fmt.Errorf("not %s: the text is cut off, or has too few or too many = at its end", encoding)
}

// boundMustFromJSON is for functions that read JSON. It estimates what the values of a JSON text take in memory: a
// small map takes the most.
func boundMustFromJSON(c *call) (int, error) {
	text := c.text(0)
	size := len(text) + 336*strings.Count(text, "{") + 64*(strings.Count(text, "[")+strings.Count(text, ","))
	if err := c.fits(size); err != nil {
		return 0, err
	}
	return size, c.step(size / 64)
}

// boundFromJSON also notes that there is no text, for the message about the missing value.
func boundFromJSON(c *call) (int, error) {
	if c.text(0) == "" {
		c.hint = "the text given to fromJson is empty"
	}
	return boundMustFromJSON(c)
}

// boundPrettyJSON is for functions that print JSON over several lines.
func boundPrettyJSON(c *call) (int, error) {
	return c.writes(c.extent.printed(6) + times(c.extent.levels, 4))
}

// boundYAML is for toYaml, which breaks long texts into lines that are indented as deep as the text is nested. It
// makes its JSON form on the way.
func boundYAML(c *call) (int, error) {
	indentation := times(c.extent.levels, 4)
	if breaks := times(c.extent.text, 2*c.extent.depth+2); breaks < 64<<10 {
		indentation += breaks
	} else {
		indentation += lineBreaks(reflect.ValueOf(c.args[0]), 1)
	}
	return c.writes(2 * (c.extent.printed(4) + indentation))
}

// lineBreaks returns how many bytes of indentation YAML can put into the texts of v, which is so deep.
func lineBreaks(v reflect.Value, depth int) (size int) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return lineBreaks(v.Elem(), depth)
		}
	case reflect.String:
		for _, c := range []byte(v.String()) {
			switch c {
			case ' ', '\n', '\r', 0xC2, 0xE2: // The last two begin U+0085, U+2028 and U+2029, and others.
				size += 2*depth + 2
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			size = plus(size, lineBreaks(v.Index(i), depth+1))
		}
	case reflect.Map:
		for key, item := range v.Seq2() {
			size = plus(size, lineBreaks(key, depth)+lineBreaks(item, depth+1))
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			size = plus(size, lineBreaks(field, depth+1))
		}
	}
	return size
}

// fromJSON takes the empty text, which is that of no payload, for a missing value. It fails on other texts that are
// not JSON: a payload with a comma too many must not run with the defaults of the template.
func fromJSON(text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	return mustFromJSON(text)
}

// readableJSON says why mustFromJSON does not read a text.
func readableJSON(text string) error {
	value := strings.TrimPrefix(text, byteOrderMark)
	return checkJSON(value, len(text)-len(value))
}

func mustFromJSON(text string) (any, error) {
	if err := readableJSON(text); err != nil {
		return nil, err
	}
	return decodedJSON(strings.TrimPrefix(text, byteOrderMark))
}

// decodedJSON returns the value of a JSON text.
func decodedJSON(text string) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return withNumbers(value, 0)
}

// placeError says which part of a value that is read is wrong.
type placeError struct {
	place string // such as .items[0].id
	err   error
}

func (e *placeError) Error() string {
	if e.place == "" {
		return e.err.Error()
	}
	return e.place + ": " + e.err.Error()
}

func (e *placeError) Unwrap() error { return e.err }

// within returns err as an error of a part of the value where it came up.
func within(part string, err error) error {
	if inner, ok := errors.AsType[*placeError](err); ok {
		inner.place = part + inner.place
	}
	return err
}

// withNumbers replaces the json.Numbers in value, in place.
func withNumbers(value any, depth int) (_ any, err error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	switch v := value.(type) {
	case json.Number:
		n, err := readNumber(v.String())
		if err != nil {
			return nil, &placeError{err: err}
		}
		return n, nil
	case []any:
		for i := range v {
			if v[i], err = withNumbers(v[i], depth+1); err != nil {
				return nil, within(fmt.Sprintf("[%d]", i), err)
			}
		}
	case map[string]any:
		wrong := ""
		for k, item := range v {
			n, itemErr := withNumbers(item, depth+1)
			if itemErr != nil && (err == nil || k < wrong) { // Maps have no order, and the error must be the same.
				wrong, err = k, itemErr
			}
			v[k] = n
		}
		if err != nil {
			return nil, within("."+wrong, err)
		}
	}
	return value, nil
}

// toYAML prints value as YAML, without the newline at its end.
func toYAML(value any) (string, error) {
	text, err := YAML(value)
	return strings.TrimSuffix(string(text), "\n"), err
}
