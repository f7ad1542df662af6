package gotemplate

import (
	"encoding/binary"
	"maps"
	"reflect"
	"slices"
	"testing"
)

// FuzzFunctions calls functions one after the other, each with hostile values, with texts and numbers of the fuzzer,
// and with what the calls before it returned, in any position. Each call must come back, without having allocated
// much.
func FuzzFunctions(f *testing.F) {
	names := slices.Sorted(maps.Keys(functions))
	for i := range names {
		f.Add([]byte{byte(i), byte(i >> 8), 3, 200, 7, 90, 33}, "%[1]*d$(A)")
	}
	hostile := slices.Sorted(maps.Keys(hostileValues))
	f.Fuzz(func(t *testing.T, choices []byte, text string) {
		next := func() int {
			if len(choices) == 0 {
				return 0
			}
			chosen := choices[0]
			choices = choices[1:]
			return int(chosen)
		}
		b := newBudget(t.Context(), hostileLimits)
		var results []any
		value := func() any {
			switch n := next(); {
			case n < 100:
				return hostileValues[hostile[n%len(hostile)]]()
			case n < 180 && len(results) > 0:
				return results[n%len(results)]
			case n < 200:
				return text
			case n < 220:
				number := make([]byte, 8)
				choices = choices[copy(number, choices):]
				return int(int64(binary.LittleEndian.Uint64(number)))
			default:
				return harmlessValues[n%len(harmlessValues)]
			}
		}
		for range 5 {
			name := names[(next()+next()<<8)%len(names)]
			typ := reflect.TypeOf(functions[name].fn)
			args := argsFrom(typ, next()%5, value)
			var result any
			allocated := allocatedBytes(func() { result, _ = callFunction(name, &b, args) })
			if allocated > maxAllocated(name) {
				t.Errorf("%s allocated %d MiB", name, allocated>>20)
			}
			results = append(results, result)
		}
	})
}

// argsFrom returns arguments for a function from the values that it is given, up to more of them for a variadic one.
func argsFrom(typ reflect.Type, more int, value func() any) []reflect.Value {
	n := typ.NumIn()
	if typ.IsVariadic() {
		n += more - 1
	}
	args := make([]reflect.Value, n)
	for i := range args {
		param := parameter(typ, i)
		args[i] = reflect.Zero(param)
		for range 4 {
			if arg, ok := asArgument(value(), param); ok {
				args[i] = arg
				break
			}
		}
	}
	return args
}
