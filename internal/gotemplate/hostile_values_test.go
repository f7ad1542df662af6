package gotemplate

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostileLimits are an eighth of the limits of a render, and the values below are as much smaller.
var hostileLimits = limits{steps: 125_000, output: 256 << 10, value: 1 << 20, total: 3 << 20, depth: 100, levels: 2000, time: time.Hour}

// maxReturned is how many bytes a result may have that may share parts with the arguments.
const maxReturned = 2 << 20

// maxAllocated is how many bytes one call of a function may allocate within hostileLimits. What lives at a time is
// less.
func maxAllocated(name string) uint64 {
	// Nearly all of the larger ones is garbage.
	switch name {
	case "toYaml":
		return 24 << 20 // go-yaml makes some 1500 bytes for each value.
	case "randAlpha", "randAlphaNum", "randAscii", "randNumeric":
		return 16 << 20 // goutils makes some 450 bytes for each character.
	}
	return 8 << 20
}

// hostileValues are values that cost more than they look. Those with dictionaries are made anew for each call, as
// functions change them.
var hostileValues = map[string]func() any{
	"nil":                   func() any { return nil },
	"a map in itself":       func() any { d := map[string]any{}; d["d"] = d; return d },
	"a map twice in itself": func() any { d := map[string]any{}; d["d"] = []any{d, d}; return d },
	"a list in itself":      func() any { l := make([]any, 2); l[0], l[1] = l, l; return l },
	"a list that doubles 40 times": func() any {
		l := []any{"x"}
		for range 40 {
			l = []any{l, l}
		}
		return l
	},
	"a list that doubles 20 times": func() any {
		l := []any{"x"}
		for range 20 {
			l = []any{l, l}
		}
		return l
	},
	"a map that doubles 40 times": func() any {
		d := map[string]any{"x": 1}
		for range 40 {
			d = map[string]any{"a": d, "b": d}
		}
		return d
	},
	"a list 2,000 deep": func() any {
		l := []any{}
		for range 2_000 {
			l = []any{l}
		}
		return l
	},
	"a list 99 deep with long text in it": func() any {
		l := []any{strings.Repeat("a ", 6_000)}
		for range 98 {
			l = []any{l}
		}
		return l
	},
	"a map 90 deep with much in it": func() any {
		inner := map[string]any{}
		for i := range 600 {
			inner[fmt.Sprint(i)] = "a b"
		}
		for range 90 {
			inner = map[string]any{"k": inner}
		}
		return inner
	},
	"nearly the longest text":    sync.OnceValue(func() any { return strings.Repeat("x", 7<<17) }),
	"too long a text":            sync.OnceValue(func() any { return strings.Repeat("x", 15<<17) }),
	"a text of dollars":          sync.OnceValue(func() any { return strings.Repeat("$", 1<<17) }),
	"a text of line breaks":      sync.OnceValue(func() any { return strings.Repeat("\n", 1<<17) }),
	"a text of what is escaped":  sync.OnceValue(func() any { return strings.Repeat("<\x00\"\xff'", 25_000) }),
	"a text of JSON":             sync.OnceValue(func() any { return "[" + strings.Repeat(`{"a":[]},`, 6_000) + "0]" }),
	"a text of deep JSON":        sync.OnceValue(func() any { return strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) }),
	"a text of YAML":             sync.OnceValue(func() any { return strings.Repeat("- {a: b}\n", 6_000) }),
	"a text of deep YAML":        sync.OnceValue(func() any { return strings.Repeat("- ", 9_000) + "a" }),
	"a text of verbs":            sync.OnceValue(func() any { return strings.Repeat("%[1]999999v%*d%#v%p", 5_000) }),
	"a wide verb":                func() any { return "%*.*f%999999v" },
	"a regular expression":       func() any { return "((((a{30}){30})|x*)*)*y" },
	"a word":                     func() any { return "word" },
	"nothing":                    func() any { return "" },
	"a number in text":           func() any { return "99999999999" },
	"the largest int":            func() any { return math.MaxInt },
	"the smallest int":           func() any { return math.MinInt },
	"the largest int64":          func() any { return int64(math.MaxInt64) },
	"a large int64":              func() any { return int64(900_000) },
	"a large int":                func() any { return 900_000 },
	"a number beyond any memory": func() any { return 2_000_000_000 },
	"minus one":                  func() any { return -1 },
	"zero":                       func() any { return 0 },
	"the largest float":          func() any { return math.MaxFloat64 },
	"no number":                  func() any { return math.NaN() },
	"true":                       func() any { return true },
	"many numbers":               sync.OnceValue(func() any { return slices.Repeat([]any{1}, 8_000) }),
	"many ints":                  sync.OnceValue(func() any { return slices.Repeat([]int{math.MinInt}, 12_000) }),
	"many texts":                 sync.OnceValue(func() any { return slices.Repeat([]string{"x"}, 12_000) }),
	"a long text many times":     sync.OnceValue(func() any { return slices.Repeat([]any{strings.Repeat("x", 1<<17)}, 1_000) }),
	"a map with long keys": func() any {
		d := map[string]any{}
		for i := range 50 {
			d[strings.Repeat("k", 10_000)+fmt.Sprint(i)] = i
		}
		return d
	},
	"a map of texts": func() any { return map[string]string{"_0": "x"} },
	"many lists":     sync.OnceValue(func() any { return slices.Repeat([][]any{{1, nil}}, 2_500) }),
	"a time":         func() any { return newInstant(time.Unix(0, 0).In(time.FixedZone("X", 3600))) },
	"a version":      func() any { return version{Original: strings.Repeat("1", 10_000)} },
	"a struct with a map in itself": func() any {
		data := dataOf("x")
		data.JobTemplate.Labels["x"] = data.JobTemplate.Labels
		return data
	},
	"a struct that holds itself": func() any {
		data := dataOf("x")
		data.JobTemplate.Labels["x"] = data
		return data
	},
}

// hostileSamples are the values themselves, for their types.
var hostileSamples = sync.OnceValue(func() map[string]any {
	samples := map[string]any{}
	for name, value := range hostileValues {
		samples[name] = value()
	}
	return samples
})

// harmlessValues are for the other arguments.
var harmlessValues = []any{"a", 2, int64(2), 1.5, []any{"a", 1}, map[string]any{"a": 1}}

// TestFunctionsOnHostileValues calls every function with each hostile value in each position, and with the same one
// in all. It must come back, without having made much, and with nothing that is larger than the limits.
func TestFunctionsOnHostileValues(t *testing.T) {
	if underRace {
		t.Skip("it has one goroutine: there are no races to find")
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		t.Run(name, func(t *testing.T) {
			for _, value := range slices.Sorted(maps.Keys(hostileValues)) {
				typ := reflect.TypeOf(functions[name].fn)
				for arity := range arities(typ) {
					for position := range arity {
						if arity == 1 {
							break // It is each of the arguments.
						}
						what := fmt.Sprintf("%s as argument %d of %d", value, position, arity)
						checkCall(t, name, what, argsAt(typ, arity, position, value, "a"))
						checkCall(t, name, what, argsAt(typ, arity, position, value, []any{"a", 1}))
					}
					checkCall(t, name, value+fmt.Sprintf(" as each of %d arguments", arity), argsAt(typ, arity, -1, value, nil))
				}
			}
		})
	}
}

// arities yields how many arguments a function is tried with.
func arities(typ reflect.Type) func(func(int) bool) {
	return func(yield func(int) bool) {
		n := typ.NumIn()
		if typ.IsVariadic() {
			_ = yield(n-1) && yield(n) && yield(n+1) && yield(n+3)
			return
		}
		yield(n)
	}
}

// argsAt returns arguments with the hostile value at one position, or at all for -1, and the other value, or one that
// fits, elsewhere. It returns nil where the hostile value does not fit: text/template would refuse it.
func argsAt(typ reflect.Type, arity, position int, hostile string, other any) []reflect.Value {
	args := make([]reflect.Value, arity)
	fits := false
	for i := range args {
		param := parameter(typ, i)
		if position < 0 || i == position {
			if _, ok := asArgument(hostileSamples()[hostile], param); ok {
				args[i], _ = asArgument(hostileValues[hostile](), param)
				fits = true
				continue
			}
			if position >= 0 {
				return nil
			}
		}
		for _, candidate := range append([]any{other}, harmlessValues...) {
			if arg, ok := asArgument(candidate, param); ok {
				args[i] = arg
				break
			}
		}
		if !args[i].IsValid() {
			args[i] = reflect.Zero(param)
		}
	}
	if !fits {
		return nil
	}
	return args
}

func parameter(typ reflect.Type, i int) reflect.Type {
	if typ.IsVariadic() && i >= typ.NumIn()-1 {
		return typ.In(typ.NumIn() - 1).Elem()
	}
	return typ.In(i)
}

// asArgument returns value as a parameter of a type takes it.
func asArgument(value any, param reflect.Type) (reflect.Value, bool) {
	if param == reflectValueType {
		return reflect.ValueOf(reflect.ValueOf(value)), true
	}
	if value == nil {
		return reflect.Zero(param), param.Kind() == reflect.Interface
	}
	v := reflect.ValueOf(value)
	if !v.Type().AssignableTo(param) {
		return v, false
	}
	return v, true
}

// checkCall calls a function within the budget of a render.
func checkCall(t *testing.T, name, what string, args []reflect.Value) {
	t.Helper()
	if args == nil {
		return
	}
	b := newBudget(t.Context(), hostileLimits)
	var result any
	var err error
	allocated := allocatedBytes(func() { result, err = callFunction(name, &b, args) })
	if allocated > maxAllocated(name) {
		t.Errorf("%s with %s allocated %d MiB", name, what, allocated>>20)
	}
	if err != nil && len(err.Error()) > 4<<20 {
		t.Errorf("%s with %s: an error of %d MiB", name, what, len(err.Error())>>20)
	}
	if text, ok := result.(string); ok && len(text) > hostileLimits.value {
		t.Errorf("%s with %s returned %d bytes", name, what, len(text))
	}
	var fresh meter
	if e, err := fresh.measure(result, 0); err != nil && name != "fail" || e.memory > maxReturned {
		t.Errorf("%s with %s returned a value of %d bytes: %v", name, what, e.memory, err)
	}
}

// callFunction calls a function as text/template does.
func callFunction(name string, b *budget, args []reflect.Value) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	results := reflect.ValueOf(guard(name, b)).Call(args)
	if failed := results[1]; !failed.IsNil() {
		return nil, failed.Interface().(error)
	}
	return plain(results[0]), nil
}
