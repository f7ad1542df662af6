package gotemplate

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
)

// comparisons are text/template's, except that whole numbers and fractions can be compared with each other, as they
// come mixed in JSON. The originals cannot be called from here, and print the values that they cannot compare, which
// does not end for one that contains itself.
var comparisons = map[string]function{
	"eq": {eq, boundWalk},
	"ne": {ne, boundWalk},
	"lt": {ordered(func(c int) bool { return c < 0 }), boundWalk},
	"le": {ordered(func(c int) bool { return c <= 0 }), boundWalk},
	"gt": {ordered(func(c int) bool { return c > 0 }), boundWalk},
	"ge": {ordered(func(c int) bool { return c >= 0 }), boundWalk},
}

// eq says whether the first value equals one of the others.
func eq(first reflect.Value, others ...reflect.Value) (bool, error) {
	if len(others) == 0 {
		return false, errors.New("needs something to compare with")
	}
	for _, other := range others {
		if equal, err := equal(indirect(first), indirect(other)); equal || err != nil {
			return equal, err
		}
	}
	return false, nil
}

func ne(a, b reflect.Value) (bool, error) {
	equal, err := equal(indirect(a), indirect(b))
	return !equal, err
}

func equal(a, b reflect.Value) (bool, error) {
	switch {
	case !a.IsValid() || !b.IsValid():
		return a.IsValid() == b.IsValid(), nil
	case a.Kind() == reflect.Bool && b.Kind() == reflect.Bool:
		return a.Bool() == b.Bool(), nil
	}
	c, err := compare(a, b)
	return c == 0 && err == nil, err
}

func ordered(holds func(int) bool) func(a, b reflect.Value) (bool, error) {
	return func(a, b reflect.Value) (bool, error) {
		a, b = indirect(a), indirect(b)
		if !a.IsValid() || !b.IsValid() {
			return false, errMissing
		}
		c, err := compare(a, b)
		return err == nil && holds(c), err
	}
}

// compare compares two texts or two numbers.
func compare(a, b reflect.Value) (int, error) {
	switch {
	case a.Kind() == reflect.String && b.Kind() == reflect.String:
		return cmp.Compare(a.String(), b.String()), nil
	case a.CanInt() && b.CanInt():
		return cmp.Compare(a.Int(), b.Int()), nil
	case a.CanUint() && b.CanUint():
		return cmp.Compare(a.Uint(), b.Uint()), nil
	}
	x, xOK := float(a)
	y, yOK := float(b)
	if !xOK || !yOK {
		return 0, fmt.Errorf("cannot compare %s with %s", typeName(plain(a)), typeName(plain(b)))
	}
	return cmp.Compare(x, y), nil
}

func float(v reflect.Value) (float64, bool) {
	switch {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}
