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

// walk calls visit with each string value of spec and its place, in the order of the fields.
func walk(spec *batchv1.JobTemplateSpec, visit func(place, string)) {
	w := walker{visit: visit}
	w.value(reflect.ValueOf(spec).Elem(), place{path: jobTemplatePath})
}

type walker struct{ visit func(place, string) }

func (w walker) value(v reflect.Value, at place) {
	if opaque[v.Type()] {
		return
	}
	switch v.Kind() {
	case reflect.String:
		w.visit(at, v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			w.value(v.Elem(), at.then(hop{kind: reflect.Pointer}))
		}
	case reflect.Slice:
		for i := range v.Len() {
			next := at.then(hop{kind: reflect.Slice, index: i})
			next.path = at.path.Index(i)
			w.value(v.Index(i), next)
		}
	case reflect.Map:
		w.entries(v, at)
	case reflect.Struct:
		if v.Type() == intOrStringType {
			if port := v.Interface().(intstr.IntOrString); port.Type == intstr.String {
				w.visit(at, port.StrVal)
			}
			return
		}
		w.fields(v, at)
	}
}

// entries walks the values of a map, which are strings in all maps of a Job that have strings at all.
func (w walker) entries(v reflect.Value, at place) {
	if v.Type().Elem().Kind() != reflect.String {
		return
	}
	for key, value := range sorted(v) {
		next := at.then(hop{kind: reflect.Map, key: key})
		next.path = at.path.Key(key.String())
		w.visit(next, value.String())
	}
}

func (w walker) fields(v reflect.Value, at place) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() { // Most fields of a Job are not set, and then hold no template.
			continue
		}
		next := at.then(hop{kind: reflect.Struct, index: i})
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			next.path = at.path.Child(name)
			next.fields = strings.TrimPrefix(at.fields+"."+name, ".")
		}
		w.value(v.Field(i), next)
	}
}

func (p place) then(h hop) place {
	p.hops = append(slices.Clip(p.hops), h)
	return p
}

// set sets the string at p in spec. A name or number of a port that is plainly a number becomes one, as it would in
// YAML.
func (p place) set(spec *batchv1.JobTemplateSpec, text string) {
	v := reflect.ValueOf(spec).Elem()
	for _, h := range p.hops {
		switch h.kind {
		case reflect.Struct:
			v = v.Field(h.index)
		case reflect.Slice:
			v = v.Index(h.index)
		case reflect.Pointer:
			v = v.Elem()
		case reflect.Map:
			v.SetMapIndex(h.key, reflect.ValueOf(text).Convert(v.Type().Elem()))
			return
		}
	}
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
