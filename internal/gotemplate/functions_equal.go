package gotemplate

import (
	"reflect"
	"slices"
)

// same says whether two values are equal in all their parts, where numbers are equal as in eq.
func same(a, b any) bool { return sameValues(reflect.ValueOf(a), reflect.ValueOf(b)) }

func sameValues(a, b reflect.Value) bool {
	a, b = indirect(a), indirect(b)
	if !a.IsValid() || !b.IsValid() {
		return a.IsValid() == b.IsValid()
	}
	if c, ok := compareNumbers(a, b); ok {
		return c == 0
	}
	switch {
	case isList(a) && isList(b):
		return sameLists(a, b)
	case a.Kind() == reflect.Map && b.Kind() == reflect.Map:
		return sameDicts(a, b)
	}
	return a.Type() == b.Type() && reflect.DeepEqual(plain(a), plain(b))
}

func isList(v reflect.Value) bool { return v.Kind() == reflect.Slice || v.Kind() == reflect.Array }

func sameLists(a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if !sameValues(a.Index(i), b.Index(i)) {
			return false
		}
	}
	return true
}

func sameDicts(a, b reflect.Value) bool {
	if a.Len() != b.Len() || a.Type().Key() != b.Type().Key() {
		return false
	}
	for key, value := range a.Seq2() {
		other := b.MapIndex(key)
		if !other.IsValid() || !sameValues(value, other) {
			return false
		}
	}
	return true
}

// equalityFunctions are sprig's, except that numbers of all types are compared by what they are worth.
var equalityFunctions = map[string]function{
	"deepEqual":   {same, boundWalk},
	"has":         {has, boundWalk},
	"mustHas":     {has, boundWalk},
	"uniq":        {uniq, boundPairs},
	"mustUniq":    {uniq, boundPairs},
	"without":     {without, boundPairs},
	"mustWithout": {without, boundPairs},
}

// has says whether list has the item. A missing list has none.
func has(item, list any) (bool, error) {
	if list == nil {
		return false, nil
	}
	items, err := listOf(list)
	if err != nil {
		return false, err
	}
	for i := range items.Len() {
		if sameValues(items.Index(i), reflect.ValueOf(item)) {
			return true, nil
		}
	}
	return false, nil
}

// uniq returns the items of list, each once.
func uniq(list any) ([]any, error) {
	items, err := listOf(list)
	if err != nil {
		return nil, err
	}
	once := []any{}
	for i := range items.Len() {
		if item := items.Index(i).Interface(); !isAmong(item, once) {
			once = append(once, item)
		}
	}
	return once, nil
}

// without returns the items of list that are not among the others.
func without(list any, others ...any) ([]any, error) {
	items, err := listOf(list)
	if err != nil {
		return nil, err
	}
	rest := []any{}
	for i := range items.Len() {
		if item := items.Index(i).Interface(); !isAmong(item, others) {
			rest = append(rest, item)
		}
	}
	return rest, nil
}

func isAmong(item any, items []any) bool {
	return slices.ContainsFunc(items, func(other any) bool { return same(item, other) })
}
