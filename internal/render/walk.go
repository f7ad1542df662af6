package render

import (
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// jobTemplatePath is where a JobTemplate holds its Job.
var jobTemplatePath = field.NewPath("spec", "jobTemplate")

// place is where a string stands in a jobTemplate. It leads to the same string in every copy.
type place struct {
	path *field.Path
	hops []hop
	// fields are the names of the fields that lead here, without list indexes: spec.template.spec.containers.args.
	fields string
}

// hop is one step on the way to a string.
type hop struct {
	kind  reflect.Kind // Struct, Slice, Pointer or Map
	index int          // of the field or the item
	name  string       // of the field in JSON, if it has one
	key   reflect.Value
}

// opaque are the types that print as strings and are none, or that nobody can write in a template.
var opaque = map[reflect.Type]bool{
	reflect.TypeFor[resource.Quantity](): true,
	reflect.TypeFor[metav1.Time]():       true,
	reflect.TypeFor[metav1.MicroTime]():  true,
	reflect.TypeFor[metav1.FieldsV1]():   true,
}

var intOrStringType = reflect.TypeFor[intstr.IntOrString]()

// walk calls visit with each string value of spec, in the order of the fields. at returns its place: to make it takes
// longer than to look at the string.
func walk(spec *batchv1.JobTemplateSpec, visit func(at func() place, text string)) {
	w := walker{}
	w.visit = func(text string) { visit(w.place, text) }
	w.value(reflect.ValueOf(spec).Elem())
}

type walker struct {
	visit func(string)
	hops  []hop // to where it is
}

// place returns where the walker is.
func (w *walker) place() place {
	at := place{path: pathOf(w.hops), hops: slices.Clone(w.hops)}
	var fields []string
	for _, h := range w.hops {
		if h.kind == reflect.Struct && h.name != "" {
			fields = append(fields, h.name)
		}
	}
	at.fields = strings.Join(fields, ".")
	return at
}

// pathOf returns the path to which the hops lead.
func pathOf(hops []hop) *field.Path {
	path := jobTemplatePath
	for _, h := range hops {
		switch {
		case h.kind == reflect.Slice:
			path = path.Index(h.index)
		case h.kind == reflect.Map:
			path = path.Key(h.key.String())
		case h.name != "":
			path = path.Child(h.name)
		}
	}
	return path
}

// reach returns what hops lead to in spec. There must be no hop of a map among them.
func reach(spec *batchv1.JobTemplateSpec, hops []hop) reflect.Value {
	v := reflect.ValueOf(spec).Elem()
	for _, h := range hops {
		switch h.kind {
		case reflect.Struct:
			v = v.Field(h.index)
		case reflect.Slice:
			v = v.Index(h.index)
		case reflect.Pointer:
			v = v.Elem()
		}
	}
	return v
}

// inside walks v, to which h leads from where the walker is.
func (w *walker) inside(h hop, v reflect.Value) {
	w.hops = append(w.hops, h)
	w.value(v)
	w.hops = w.hops[:len(w.hops)-1]
}

func (w *walker) value(v reflect.Value) {
	if opaque[v.Type()] {
		return
	}
	switch v.Kind() {
	case reflect.String:
		w.visit(v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			w.inside(hop{kind: reflect.Pointer}, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.inside(hop{kind: reflect.Slice, index: i}, v.Index(i))
		}
	case reflect.Map:
		w.entries(v)
	case reflect.Struct:
		if v.Type() == intOrStringType {
			if port := v.Interface().(intstr.IntOrString); port.Type == intstr.String {
				w.visit(port.StrVal)
			}
			return
		}
		w.fields(v)
	}
}

// entries walks the values of a map, which are strings in all maps of a Job that have strings at all.
func (w *walker) entries(v reflect.Value) {
	if v.Type().Elem().Kind() != reflect.String {
		return
	}
	for key, value := range sorted(v) {
		w.inside(hop{kind: reflect.Map, key: key}, value)
	}
}

func (w *walker) fields(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		w.inside(hop{kind: reflect.Struct, index: i, name: name}, v.Field(i))
	}
}

// set sets the string at p in spec. A name or number of a port that is plainly a number becomes one, as it would in
// YAML.
func (p place) set(spec *batchv1.JobTemplateSpec, text string) {
	last := len(p.hops) - 1
	if h := p.hops[last]; h.kind == reflect.Map {
		m := reach(spec, p.hops[:last])
		m.SetMapIndex(h.key, reflect.ValueOf(text).Convert(m.Type().Elem()))
		return
	}
	v := reach(spec, p.hops)
	if v.Type() == intOrStringType {
		v.Set(reflect.ValueOf(intOrString(text)))
		return
	}
	v.SetString(text)
}

// intOrString takes text for a number if it is one in the form that Kubernetes prints: no sign, no leading zeros.
func intOrString(text string) intstr.IntOrString {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && strconv.FormatInt(n, 10) == text {
		return intstr.FromInt32(int32(n))
	}
	return intstr.FromString(text)
}

// sorted ranges over a map in the order of its keys, so that errors come in the same order each time.
func sorted(m reflect.Value) iter.Seq2[reflect.Value, reflect.Value] {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return func(yield func(reflect.Value, reflect.Value) bool) {
		for _, key := range keys {
			if !yield(key, m.MapIndex(key)) {
				return
			}
		}
	}
}
