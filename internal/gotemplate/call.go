package gotemplate

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
)

// function is what a template may call.
type function struct {
	fn any
	// bound returns how many bytes the function makes at most of these arguments. It is called before the function, and
	// also takes the steps of the work that depends on the arguments. All of them were measured.
	bound func(*call) (int, error)
}

// call is one call of a function that is about to be made.
type call struct {
	*budget
	// args are the arguments, those of a variadic function one by one.
	args []any
	// extent is that of all arguments together.
	extent extent
}

func (c *call) text(i int) string {
	if i >= len(c.args) {
		return ""
	}
	s, _ := c.args[i].(string)
	return s
}

func (c *call) number(i int) int {
	if i >= len(c.args) {
		return 0
	}
	n, _ := c.args[i].(int)
	return n
}

var (
	errorType        = reflect.TypeFor[error]()
	anyType          = reflect.TypeFor[any]()
	reflectValueType = reflect.TypeFor[reflect.Value]()
)

// guard returns the function of that name as templates call it: within b. It takes the same arguments, so that
// text/template checks them as it always does, except that it takes a number of any type where the function needs an
// int or a float64. A panic of the function becomes its error.
func guard(name string, b *budget) any {
	f := functions[name]
	fn := reflect.ValueOf(f.fn)
	typ := fn.Type()
	in := make([]reflect.Type, typ.NumIn())
	for i := range in {
		in[i] = acceptedType(typ.In(i))
	}
	guarded := reflect.FuncOf(in, []reflect.Type{typ.Out(0), errorType}, typ.IsVariadic())
	return reflect.MakeFunc(guarded, func(args []reflect.Value) []reflect.Value {
		result, err := f.call(name, b, fn, args)
		if err == nil {
			err = b.checkText(name, result)
		}
		if err != nil {
			result = reflect.Zero(typ.Out(0))
		}
		return []reflect.Value{result, reflect.ValueOf(&err).Elem()}
	}).Interface()
}

// call calls the function within b. fn is f.fn.
func (f function) call(
	name string, b *budget, fn reflect.Value, args []reflect.Value,
) (result reflect.Value, err error) {
	typ := fn.Type()
	defer func() {
		if r := recover(); r != nil {
			err = panicError(r, spread(args, typ.IsVariadic()))
		}
		if err == errMissing { //nolint:errorlint // A wrapped one names its argument already.
			err = fmt.Errorf("%s %w", missingArgument(spread(args, typ.IsVariadic())), errMissing)
		}
	}()
	converted, err := numbersFor(typ, args)
	if err != nil {
		return result, err
	}
	args = converted
	size, err := f.admit(name, b, args, typ.IsVariadic())
	if err != nil {
		return result, err
	}
	return invoke(fn, typ, args, size, b)
}

// panicError is the error of a function that panicked. Functions of sprig do with most arguments that they do not take.
func panicError(panicked any, args []any) error {
	if _, ok := panicked.(runtime.Error); ok && slices.ContainsFunc(args, isMissing) {
		return errMissing
	}
	if err, ok := panicked.(error); ok {
		return err
	}
	return fmt.Errorf("%v", panicked)
}

// missingArgument names the argument that has no value, or a part of which has none.
func missingArgument(args []any) string {
	if i := slices.IndexFunc(args, isMissing); i >= 0 {
		return fmt.Sprintf("argument %d", i+1)
	}
	return "a part of an argument"
}

// isMissing says whether a value is missing. A missing dictionary may have its type.
func isMissing(value any) bool {
	dict, ok := value.(map[string]any)
	return value == nil || ok && dict == nil
}

// admit measures the arguments and returns how many bytes the function makes of them at most, if that is within b.
func (f function) admit(name string, b *budget, args []reflect.Value, variadic bool) (int, error) {
	if err := b.step(callSteps); err != nil {
		return 0, err
	}
	c := &call{budget: b, args: spread(args, variadic)}
	err := checkLeftOut(name, c.args)
	if err != nil {
		return 0, err
	}
	if c.extent, err = b.measure(c.args...); err != nil {
		return 0, err
	}
	size, err := f.bound(c)
	if err != nil {
		return 0, err
	}
	return size, b.fits(size)
}

// invoke calls a function that makes at most size bytes.
func invoke(fn reflect.Value, typ reflect.Type, args []reflect.Value, size int, b *budget) (reflect.Value, error) {
	var results []reflect.Value
	if typ.IsVariadic() {
		results = fn.CallSlice(args)
	} else {
		results = fn.Call(args)
	}
	if len(results) == 2 && !results[1].IsNil() {
		return reflect.Value{}, results[1].Interface().(error)
	}
	if results[0].Kind() == reflect.String {
		size = results[0].Len()
	}
	return results[0], b.made(size)
}

// spread returns the arguments of a call as plain values.
func spread(args []reflect.Value, variadic bool) []any {
	values := make([]any, 0, len(args))
	for i, arg := range args {
		if variadic && i == len(args)-1 {
			for j := range arg.Len() {
				values = append(values, plain(arg.Index(j)))
			}
			continue
		}
		values = append(values, plain(arg))
	}
	return values
}

// plain returns what v holds, and what the reflect.Value holds that a function may take as an argument.
func plain(v reflect.Value) any {
	if v.IsValid() && v.Type() == reflectValueType {
		v = v.Interface().(reflect.Value)
	}
	if !v.IsValid() || !v.CanInterface() {
		return nil
	}
	return v.Interface()
}
