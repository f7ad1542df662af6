package gotemplate

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// errMissing says that a value is needed and missing. Who knows which value it is adds that.
var errMissing = errors.New("has no value")

// ownFunctions are those that sprig does not have, or that are not right in it.
var ownFunctions = map[string]function{
	"leaveOut":            {leaveOut, boundConstant(16)},
	"required":            {required, boundConstant(16)},
	"decryptAES":          {decryptAES, boundText(4)},
	"shellQuote":          {shellQuote, boundShellQuote},
	"semver":              {newVersion, boundShort},
	"semverCompare":       {semverCompare, boundShort},
	"regexReplaceAll":     {replacedAll, boundSearchAll},
	"mustRegexReplaceAll": {replacedAll, boundSearchAll},
	// These tell no types of this package.
	"typeOf":     {typeOf, boundConstant(64)},
	"typeIs":     {typeIs, boundConstant(8)},
	"typeIsLike": {typeIsLike, boundConstant(8)},
	"kindOf":     {kindOf, boundConstant(64)},
	"kindIs":     {func(kind string, value any) bool { return kind == kindOf(value) }, boundConstant(8)},
}

// required returns value, or an error with message if it is missing or empty text.
func required(message string, value any) (any, error) {
	if value == nil || value == "" {
		return nil, errors.New(message)
	}
	return value, nil
}

// shellQuote quotes what it is given so that a POSIX shell takes it as one word, whatever is in it.
func shellQuote(value any) string {
	text, ok := value.(string)
	if !ok {
		text = fmt.Sprint(value)
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// boundShellQuote is for shellQuote. Of a list it would make one word, in the form of Go.
func boundShellQuote(c *call) (int, error) {
	switch reflect.ValueOf(c.args[0]).Kind() {
	case reflect.Slice, reflect.Map:
		return 0, fmt.Errorf("gives one word, and takes no %s: quote each item in a range",
			strings.TrimPrefix(typeName(c.args[0]), "a "))
	}
	return boundPrinted(5)(c)
}

// index is text/template's, except that a key which a map does not have is missing, not empty: `index
// .JobTemplate.Labels "team"` is then as good as .JobTemplate.Labels.team.
func index(item reflect.Value, indexes ...reflect.Value) (reflect.Value, error) {
	for _, at := range indexes {
		item, at = indirect(item), indirect(at)
		switch item.Kind() {
		case reflect.Invalid:
			return item, nil
		case reflect.Map:
			if !at.IsValid() || !at.Type().AssignableTo(item.Type().Key()) {
				return item, errors.New("a key of a dictionary is text")
			}
			item = item.MapIndex(at)
		case reflect.Slice, reflect.Array:
			i, err := indexOf(plain(at))
			if err != nil {
				return item, err
			}
			if i < 0 || i >= item.Len() {
				return item, fmt.Errorf("index %d is out of range: there are %d items", i, item.Len())
			}
			item = item.Index(i)
		default:
			return item, fmt.Errorf("takes a list or a dictionary, and not %s", typeName(plain(item)))
		}
	}
	return item, nil
}

func length(item reflect.Value) (int, error) {
	item = indirect(item)
	switch item.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return item.Len(), nil
	case reflect.Invalid:
		return 0, errMissing
	}
	return 0, fmt.Errorf("%s has no length", typeName(plain(item)))
}

func not(value reflect.Value) bool {
	value = indirect(value)
	if value.Kind() == reflect.Map || value.Kind() == reflect.Slice {
		return value.Len() == 0
	}
	return !value.IsValid() || value.Kind() != reflect.Struct && value.IsZero()
}

// indirect returns what v points to, or the zero Value if that is nothing.
func indirect(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	return v
}

// typeOf names the type of a value as sprig does, which has no name for a missing one.
func typeOf(value any) (string, error) {
	switch value.(type) {
	case nil:
		return "", errMissing
	case instant:
		return "time.Time", nil
	case version:
		return "*semver.Version", nil
	case digits:
		return "json.Number", nil
	}
	return fmt.Sprintf("%T", value), nil
}

func typeIs(name string, value any) bool {
	typ, err := typeOf(value)
	return err == nil && typ == name
}

func typeIsLike(name string, value any) bool { return typeIs(name, value) || typeIs("*"+name, value) }

// kindOf names the kind of a value as sprig does. That of a missing one is invalid.
func kindOf(value any) string {
	if _, ok := value.(digits); ok {
		return "string"
	}
	return reflect.ValueOf(value).Kind().String()
}
