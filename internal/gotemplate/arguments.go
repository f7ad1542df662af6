package gotemplate

import "reflect"

// acceptedType is the type that a function takes from a template where it needs typ. Numbers come in several types, and
// which one it is says more about where a number is from than what it is: that of a constant is int, that of a number
// in JSON is int64, and that of 3.0 is float64.
func acceptedType(typ reflect.Type) reflect.Type {
	switch {
	case isNumberType(typ):
		return anyType
	case typ.Kind() == reflect.Slice && isNumberType(typ.Elem()):
		return reflect.SliceOf(anyType)
	}
	return typ
}

func isNumberType(typ reflect.Type) bool {
	return typ.Kind() == reflect.Int || typ.Kind() == reflect.Float64
}

// numbersFor returns the arguments of a call with all numbers in the types that the function has.
func numbersFor(typ reflect.Type, args []reflect.Value) ([]reflect.Value, error) {
	converted := args
	for i := range args {
		if acceptedType(typ.In(i)) == typ.In(i) {
			continue
		}
		if &converted[0] == &args[0] {
			converted = append([]reflect.Value{}, args...)
		}
		var err error
		if converted[i], err = numbersAs(typ.In(i), args[i]); err != nil {
			return nil, err
		}
	}
	return converted, nil
}

// numbersAs returns a number, or a list of numbers, as typ.
func numbersAs(typ reflect.Type, arg reflect.Value) (reflect.Value, error) {
	if typ.Kind() == reflect.Slice {
		list := reflect.MakeSlice(typ, arg.Len(), arg.Len())
		for i := range arg.Len() {
			number, err := numbersAs(typ.Elem(), arg.Index(i))
			if err != nil {
				return number, err
			}
			list.Index(i).Set(number)
		}
		return list, nil
	}
	if typ.Kind() == reflect.Int {
		n, err := wholeArgument(plain(arg))
		return reflect.ValueOf(n), err
	}
	if text, ok := plain(arg).(string); ok {
		return arg, mismatch(aNumber, text)
	}
	f, err := fraction(plain(arg))
	return reflect.ValueOf(f), err
}

// wholeArgument returns a whole number, such as an index. It takes no text: another argument is meant most likely.
func wholeArgument(value any) (int, error) {
	if text, ok := value.(string); ok {
		return 0, mismatch(aWholeNumber, text)
	}
	n, err := whole(value)
	return int(n), err
}

// showing returns a function that calls fn with all values of any type as they are to be printed.
func showing(fn any) any {
	f := reflect.ValueOf(fn)
	typ := f.Type()
	return reflect.MakeFunc(typ, func(args []reflect.Value) []reflect.Value {
		for i, arg := range args {
			args[i] = shownArgument(arg)
		}
		if typ.IsVariadic() {
			return f.CallSlice(args)
		}
		return f.Call(args)
	}).Interface()
}

func shownArgument(arg reflect.Value) reflect.Value {
	switch {
	case arg.Type() == anyType && !arg.IsNil():
		return reflect.ValueOf(shown(arg.Interface()))
	case arg.Type() == reflect.SliceOf(anyType):
		list := make([]any, arg.Len())
		for i := range list {
			list[i] = shown(arg.Index(i).Interface())
		}
		return reflect.ValueOf(list)
	}
	return arg
}
