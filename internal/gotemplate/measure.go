package gotemplate

import (
	"errors"
	"reflect"
	"unsafe"
)

// meter measures values. It remembers what it has measured, so that a value with many parts, and one that contains
// the same parts again and again, is walked once.
//
// Dictionaries change, by functions that tell the meter. All else stays as it was made.
type meter struct {
	known   map[container]knownExtent
	version int // of all that is known: what has another one is not known any more
	visited int // values walked
}

// container is the identity of a map or a slice. It keeps it from being collected, so that no other can take its place.
type container struct {
	data unsafe.Pointer
	len  int // of a slice, or -1
}

func containerOf(v reflect.Value) container {
	if v.Kind() == reflect.Map {
		return container{v.UnsafePointer(), -1}
	}
	return container{v.UnsafePointer(), v.Len()}
}

type knownExtent struct {
	extent
	version int
	// contained says that the extent of another container includes this one.
	contained bool
}

// measure returns the extent of v. level is how many levels there are above it.
func (m *meter) measure(v any, level int) (extent, error) {
	if level > maxNesting {
		return extent{}, errNesting
	}
	switch v := v.(type) {
	case nil:
		return extent{memory: 8, nodes: 1, missing: 1}, nil
	case string:
		return textExtent(v), nil
	case bool, int, int64, float64, leftOut:
		return extent{memory: 16, nodes: 1}, nil
	case digits:
		return extent{memory: 32 + len(v.text), text: len(v.text), nodes: 2}, nil
	case instant:
		return extent{memory: 96, text: 64 + len(v.zone), nodes: 5}, nil
	case version:
		return extent{memory: 256, text: 64 + len(v.Prerelease) + len(v.Metadata) + 2*len(v.Original), nodes: 8}, nil
	}
	value := reflect.ValueOf(v)
	switch value.Kind() {
	case reflect.Map, reflect.Slice:
		return m.container(v, value, level)
	}
	return m.walk(v, value, level)
}

// container measures a map or a slice, unless it is known.
func (m *meter) container(v any, value reflect.Value, level int) (extent, error) {
	key := containerOf(value)
	known, ok := m.known[key]
	if !ok || known.version != m.version {
		e, err := m.walk(v, value, level)
		if err != nil {
			return e, err
		}
		if value.Kind() == reflect.Slice && value.Len() < 16 && e.depth < 2 {
			return e, nil // To walk it again is as quick, and its items do not change.
		}
		known = knownExtent{extent: e, version: m.version}
	} else if level+known.depth > maxNesting {
		return extent{}, errNesting
	} else if known.contained || level == 0 {
		return known.extent, nil
	}
	known.contained = known.contained || level > 0
	if m.known == nil {
		m.known = map[container]knownExtent{}
	}
	m.known[key] = known
	return known.extent, nil
}

const (
	// mapEntry is how many bytes an entry of a map takes, beside its key and value.
	mapEntry = 48
	// dictMemory and listMemory are what a dictionary and a list take without what is in them, but with what the meter
	// keeps of them.
	dictMemory, listMemory = 400, 160
)

// walk measures what has parts.
func (m *meter) walk(v any, value reflect.Value, level int) (extent, error) {
	m.visited++
	e := extent{memory: 48, nodes: 1}
	switch v := v.(type) {
	case []string:
		m.visited += len(v)
		for _, text := range v {
			e.contain(textExtent(text), 0)
		}
		return e, nil
	case []int:
		e.contain(extent{memory: 8 * len(v), nodes: len(v)}, 0)
		return e, nil
	case []byte:
		e.contain(extent{memory: len(v), text: 4 * len(v), nodes: 1}, 0)
		return e, nil
	case []any:
		m.visited += len(v)
		for _, item := range v {
			inner, err := m.measure(item, level+1)
			if err != nil {
				return e, err
			}
			e.contain(inner, 16)
		}
		return e, nil
	case map[string]any:
		m.visited += len(v)
		e.memory += dictMemory
		for key, item := range v {
			inner, err := m.measure(item, level+1)
			if err != nil {
				return e, err
			}
			e.contain(textExtent(key), mapEntry)
			e.contain(inner, 0)
		}
		return e, nil
	}
	err := m.reflect(&e, value, level)
	return e, err
}

// reflect measures the types that walk does not know.
func (m *meter) reflect(e *extent, v reflect.Value, level int) error {
	if level > maxNesting {
		return errNesting
	}
	add := func(part reflect.Value) error {
		inner, err := m.part(part, level+1)
		e.contain(inner, 16)
		return err
	}
	switch v.Kind() {
	case reflect.Invalid:
		e.missing++
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			e.missing++
			return nil
		}
		return add(v.Elem())
	case reflect.String:
		e.text, e.memory = v.Len(), e.memory+v.Len()
	case reflect.Slice, reflect.Array:
		m.visited += v.Len()
		for i := range v.Len() {
			if err := add(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		m.visited += v.Len()
		e.memory += dictMemory + mapEntry*v.Len()
		for key, value := range v.Seq2() {
			if err := errors.Join(add(key), add(value)); err != nil {
				return errNesting
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			e.text += len(v.Type().Field(i).Name)
			if err := add(v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// part measures a part of a value of a type that walk does not know.
func (m *meter) part(v reflect.Value, level int) (extent, error) {
	if v.IsValid() && v.CanInterface() {
		return m.measure(v.Interface(), level)
	}
	m.visited++
	e := extent{memory: 48, nodes: 1}
	err := m.reflect(&e, v, level)
	return e, err
}

// forget says that something has changed that others may contain.
func (m *meter) forget() { m.version++ }

// willSet says that dict[key] is about to become value, or to be removed where set is false.
func (m *meter) willSet(dict map[string]any, key string, value any, set bool) error {
	id := containerOf(reflect.ValueOf(dict))
	known, ok := m.known[id]
	if !ok || known.version != m.version {
		return nil // Nor is anything known that contains it.
	}
	old, exists := dict[key]
	if known.contained || exists && isContainer(old) {
		m.forget()
		return nil
	}
	if exists {
		was, err := m.measure(old, 1)
		if err != nil {
			return err
		}
		known.memory -= was.memory + mapEntry + 16 + len(key)
		known.text -= was.text + len(key)
		known.nodes -= was.nodes + 1
		known.levels -= was.levels + was.nodes + 1
		known.missing -= was.missing
	}
	if set {
		is, err := m.measure(value, 1)
		if err != nil {
			return err
		}
		known.contain(textExtent(key), mapEntry)
		known.contain(is, 0)
	}
	m.known[id] = known
	return nil
}
