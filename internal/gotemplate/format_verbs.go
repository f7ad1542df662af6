package gotemplate

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// print appends a value to out. The items of lists and dictionaries are printed one by one.
func (d directive) print(out []byte, value any) ([]byte, error) {
	if !strings.ContainsRune("vTtbcdoOqxXUeEfFgGs", d.verb) {
		return out, fmt.Errorf("there is no verb %%%c", d.verb)
	}
	v := indirect(reflect.ValueOf(value))
	if d.verb == 'T' {
		name, err := typeOf(value)
		return fmt.Appendf(out, d.as('s'), name), err
	}
	var err error
	switch {
	case isList(v):
		return d.list(out, v)
	case v.Kind() == reflect.Map:
		out = append(out, "map["...)
		for i, key := range sortedKeys(v) {
			if i > 0 {
				out = append(out, ' ')
			}
			if out, err = d.print(out, key); err != nil {
				return out, err
			}
			out = append(out, ':')
			if out, err = d.print(out, plain(v.MapIndex(reflect.ValueOf(key)))); err != nil {
				return out, err
			}
		}
		return append(out, ']'), nil
	}
	format, printed, err := d.leaf(plain(v))
	if err != nil {
		return out, err
	}
	return fmt.Appendf(out, format, printed), nil
}

func (d directive) list(out []byte, list reflect.Value) (_ []byte, err error) {
	out = append(out, '[')
	for i := range list.Len() {
		if i > 0 {
			out = append(out, ' ')
		}
		if out, err = d.print(out, plain(list.Index(i))); err != nil {
			return out, err
		}
	}
	return append(out, ']'), nil
}

func sortedKeys(dict reflect.Value) []string {
	keys := map[string]bool{}
	for key := range dict.Seq2() {
		keys[key.String()] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

// as is the directive with another verb.
func (d directive) as(verb rune) string { return "%" + d.flags + d.width + d.precision + string(verb) }

// leaf returns what to give to fmt to print a value that has no items.
func (d directive) leaf(value any) (format string, printed any, err error) {
	switch v := value.(type) {
	case string:
		if strings.ContainsRune("vsqxX", d.verb) {
			return d.as(d.verb), v, nil
		}
	case bool:
		switch d.verb {
		case 'v', 't':
			return d.as(d.verb), v, nil
		case 's', 'q':
			return d.as(d.verb), strconv.FormatBool(v), nil
		}
	default:
		if n, err := numberOf(value, aNumber); err == nil {
			return d.number(n)
		}
		if strings.ContainsRune("vsq", d.verb) {
			return d.as(d.verb), value, nil
		}
	}
	return "", nil, d.cannot(typeName(value))
}

func (d directive) cannot(kind string) error { return fmt.Errorf("%%%c cannot print %s", d.verb, kind) }

// number returns what to give to fmt to print a number of numberOf.
func (d directive) number(n any) (format string, printed any, err error) {
	text := shownNumber(n)
	switch d.verb {
	case 'v':
		return d.plainNumber(n)
	case 's', 'q':
		return d.as(d.verb), text, nil
	case 'e', 'E', 'f', 'F', 'g', 'G':
		return d.as(d.verb), decimalNumber(n), nil
	}
	integer, ok := new(big.Int).SetString(wholeText(n), 10)
	switch {
	case !ok && d.verb == 't':
		return "", nil, d.cannot(aNumber)
	case !ok:
		return "", nil, d.cannot("a fraction")
	case d.verb == 'c' || d.verb == 'U':
		if !integer.IsInt64() || integer.Int64() > utf8.MaxRune || !utf8.ValidRune(rune(integer.Int64())) {
			return "", nil, d.cannot("a number that is no character")
		}
		return d.as(d.verb), rune(integer.Int64()), nil
	case d.verb == 't':
		return "", nil, d.cannot(aNumber)
	}
	return d.as(d.verb), integer, nil
}

// plainNumber is number for %v.
func (d directive) plainNumber(n any) (format string, printed any, err error) {
	d.flags = strings.ReplaceAll(d.flags, "+", "") // For %v, it is about the names of fields.
	f, ok := n.(float64)
	if !ok {
		integer, _ := new(big.Int).SetString(wholeText(n), 10)
		d.precision = ""
		return d.as('d'), integer, nil
	}
	text := shownNumber(n)
	switch {
	case d.precision != "":
		return d.as('g'), f, nil
	case strings.Contains(text, "e"):
		return d.as('s'), text, nil
	}
	_, behind, _ := strings.Cut(text, ".")
	d.precision = "." + strconv.Itoa(len(behind))
	return d.as('f'), f, nil
}

func shownNumber(n any) string { return fmt.Sprint(shown(n)) }

// wholeText returns the digits of a whole number, or nothing.
func wholeText(n any) string {
	f, ok := n.(float64)
	switch {
	case !ok:
		return shownNumber(n)
	case f != math.Trunc(f) || math.IsInf(f, 0):
		return ""
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

// decimalNumber returns a number as fmt prints it with all its digits.
func decimalNumber(n any) any {
	if f, ok := n.(float64); ok {
		return f
	}
	integer, _ := new(big.Int).SetString(wholeText(n), 10)
	return new(big.Float).SetInt(integer)
}
