package objectcache

import (
	"reflect"
	"time"
)

// A map has room for more entries than it has: up to mapFactor times as many, and at least minEntries.
const (
	mapFactor  = 2
	minEntries = 8
	mapHeader  = 48
)

var locationType = reflect.TypeFor[*time.Location]()

// weightOf estimates how many bytes a value needs in memory, with all that it refers to. The length of its JSON tells
// little: 32 KiB of empty containers are 2 MiB.
func weightOf(value any) int64 {
	v := reflect.ValueOf(value)
	if !v.IsValid() {
		return 0
	}
	return int64(v.Type().Size()) + weightBehind(v)
}

// weightBehind estimates what a value refers to, without the value itself.
func weightBehind(v reflect.Value) int64 {
	var sum int64
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Type() == locationType { // Time zones are shared.
			return 0
		}
		return int64(v.Elem().Type().Size()) + weightBehind(v.Elem())
	case reflect.Struct:
		for _, field := range v.Fields() {
			sum += weightBehind(field)
		}
	case reflect.Slice:
		sum = int64(v.Cap()) * int64(v.Type().Elem().Size())
		fallthrough
	case reflect.Array:
		if isPlain(v.Type().Elem().Kind()) {
			return sum
		}
		for i := range v.Len() {
			sum += weightBehind(v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() {
			return 0
		}
		sum = mapHeader
		if v.Len() > 0 {
			room := max(v.Len()*mapFactor, minEntries)
			sum += int64(room) * int64(v.Type().Key().Size()+v.Type().Elem().Size())
		}
		for entry := v.MapRange(); entry.Next(); {
			sum += weightBehind(entry.Key()) + weightBehind(entry.Value())
		}
	}
	return sum
}

// isPlain says whether values of a kind refer to nothing.
func isPlain(kind reflect.Kind) bool { return kind >= reflect.Bool && kind <= reflect.Complex128 }
