package gotemplate

import (
	"errors"
	"reflect"
)

// maxNesting is how deep the values may be nested that a function walks. What contains itself is deeper than that.
const maxNesting = 100

var errNesting = errors.New("a value is nested more than 100 deep, or contains itself")

// meter measures values before a function walks them. A value that is contained twice counts twice, since it is also
// walked and printed twice.
type meter struct {
	// limit ends the measuring.
	limit int
	// size is at least as many bytes as the values take in memory, and as they take when printed with %v.
	size int
	// nodes is how many values there are, those inside others included.
	nodes int
	// indent is how many levels of indentation the lines of YAML or JSON would have together.
	indent int
	// missing says that one of them is nil.
	missing bool
}

// measure measures values and takes steps for doing so.
func (b *budget) measure(values ...any) (meter, error) {
	m := meter{limit: b.limits.value}
	for _, v := range values {
		if err := m.add(v, 0); err != nil {
			return m, err
		}
		if m.size > m.limit {
			return m, b.fits(m.size)
		}
	}
	return m, b.step(m.nodes/8 + m.size/256)
}

// add measures v, which is depth levels below the value that was given. It gives up early where the limit is passed.
func (m *meter) add(v any, depth int) error {
	if value, ok := v.(reflect.Value); ok {
		v = plain(value)
	}
	if depth > maxNesting {
		return errNesting
	}
	m.node(depth)
	switch v := v.(type) {
	case nil:
		m.size += 8
		m.missing = true
	case string:
		m.size += 16 + len(v)
	case bool, int, int64, float64, instant:
		m.size += 64
	case version:
		m.size += 256 + 4*len(v.Original)
	case []string:
		m.size += 24
		for _, s := range v {
			m.node(depth + 1)
			m.size += 16 + len(s)
		}
	case map[string]string:
		for k, s := range v {
			m.node(depth + 1)
			m.size += 48 + len(k) + len(s)
		}
	case []any:
		m.size += 48 + 48*len(v)
		for _, e := range v {
			if err := m.add(e, depth+1); err != nil || m.size > m.limit {
				return err
			}
		}
	case map[string]any:
		m.size += 48 + 64*len(v)
		for k, e := range v {
			m.size += len(k)
			if err := m.add(e, depth+1); err != nil || m.size > m.limit {
				return err
			}
		}
	default:
		return m.reflect(reflect.ValueOf(v), depth)
	}
	return nil
}

// node counts one value.
func (m *meter) node(depth int) {
	m.nodes++
	m.indent += depth
}

// reflect measures the types that add does not know.
func (m *meter) reflect(v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Invalid:
		m.size += 8
		m.missing = true
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			m.size += 8
			m.missing = true
			return nil
		}
		return m.inner(v.Elem(), depth+1)
	case reflect.String:
		m.size += 16 + v.Len()
	case reflect.Slice, reflect.Array:
		return m.elements(v, depth)
	case reflect.Map:
		m.size += 48 + 48*v.Len()
		for key, value := range v.Seq2() {
			if err := errors.Join(m.inner(key, depth+1), m.inner(value, depth+1)); err != nil || m.size > m.limit {
				return err
			}
		}
	case reflect.Struct:
		m.size += 48
		for i := range v.NumField() {
			m.size += 16 + len(v.Type().Field(i).Name)
			if err := m.inner(v.Field(i), depth+1); err != nil || m.size > m.limit {
				return err
			}
		}
	default:
		m.size += 64
	}
	return nil
}

// elements measures a slice or an array. Bytes and integers are not looked at one by one.
func (m *meter) elements(v reflect.Value, depth int) error {
	switch v.Type().Elem().Kind() {
	case reflect.Uint8:
		m.size += 24 + 4*v.Len()
		return nil
	case reflect.Int:
		m.size += 24 + 21*v.Len()
		m.nodes += v.Len()
		m.indent += v.Len() * depth
		return nil
	}
	m.size += 48 + 48*v.Len()
	for i := range v.Len() {
		if err := m.inner(v.Index(i), depth+1); err != nil || m.size > m.limit {
			return err
		}
	}
	return nil
}

func (m *meter) inner(v reflect.Value, depth int) error {
	if v.IsValid() && v.CanInterface() {
		return m.add(v.Interface(), depth)
	}
	if depth > maxNesting {
		return errNesting
	}
	m.node(depth)
	return m.reflect(v, depth)
}
