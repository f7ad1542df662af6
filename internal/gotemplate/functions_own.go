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
	"leaveOut":   {leaveOut, boundConstant(16)},
	"required":   {required, boundConstant(16)},
	"shellQuote": {shellQuote, boundPrinted(5)},
	"semver":     {newVersion, boundShort},
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
		case reflect.Slice, reflect.Array, reflect.String:
			if !at.IsValid() || !at.CanInt() {
				return item, errors.New("an index of a list is a number")
			}
			if i := at.Int(); i < 0 || i >= int64(item.Len()) {
				return item, fmt.Errorf("index %d is out of range: there are %d items", i, item.Len())
			}
			item = item.Index(int(at.Int()))
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
