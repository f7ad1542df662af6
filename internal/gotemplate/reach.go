package gotemplate

import (
	"iter"
	"reflect"
	"slices"
)

func isContainer(v any) bool {
	switch v.(type) {
	case nil, string, bool, int, int64, float64, digits, instant, version, leftOut:
		return false
	}
	return true
}

// reaches says whether v is the container or contains it.
func (m *meter) reaches(v any, target container) bool {
	if !isContainer(v) {
		return false
	}
	return m.search(reflect.ValueOf(v), target, map[container]bool{})
}

func (m *meter) search(v reflect.Value, target container, seen map[container]bool) bool {
	m.visited++
	if v.Kind() == reflect.Map || v.Kind() == reflect.Slice {
		id := containerOf(v)
		if id == target {
			return true
		}
		if seen[id] {
			return false
		}
		seen[id] = true
	}
	for part := range partsOf(v) {
		if m.search(part, target, seen) {
			return true
		}
	}
	return false
}

// partsOf yields the values in v that may contain others.
func partsOf(v reflect.Value) iter.Seq[reflect.Value] {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return slices.Values([]reflect.Value{v.Elem()})
		}
	case reflect.Struct:
		return valuesOf(v.Fields())
	case reflect.Map:
		return valuesOf(v.Seq2())
	case reflect.Slice, reflect.Array:
		if mayContain(v.Type().Elem()) {
			return valuesOf(v.Seq2())
		}
	}
	return func(func(reflect.Value) bool) {}
}

func valuesOf[K any](pairs iter.Seq2[K, reflect.Value]) iter.Seq[reflect.Value] {
	return func(yield func(reflect.Value) bool) {
		for _, value := range pairs {
			if !yield(value) {
				return
			}
		}
	}
}

// mayContain says whether values of a type may contain others.
func mayContain(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Interface, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct, reflect.Pointer:
		return true
	}
	return false
}
