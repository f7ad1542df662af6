package gotemplate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
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
	if a.Kind() == reflect.String && b.Kind() == reflect.String {
		return cmp.Compare(a.String(), b.String()), nil
	}
	c, ok := compareNumbers(a, b)
	if !ok {
		return 0, fmt.Errorf("cannot compare %s with %s", typeName(plain(a)), typeName(plain(b)))
	}
	return c, nil
}

// compareNumbers compares two numbers by what they are worth, whatever their types are. No digit is lost.
func compareNumbers(a, b reflect.Value) (c int, ok bool) {
	x, xOK := numberIn(a)
	y, yOK := numberIn(b)
	if !xOK || !yOK {
		return 0, false
	}
	switch x := x.(type) {
	case int64:
		switch y := y.(type) {
		case int64:
			return cmp.Compare(x, y), true
		case float64:
			return compareWithFloat(x, y), true
		}
	case float64:
		switch y := y.(type) {
		case int64:
			return -compareWithFloat(y, x), true
		case float64:
			return cmp.Compare(x, y), true
		}
	}
	return compareDigits(wholePart(x), wholePart(y)), true // One is beyond all that has a fraction.
}

// numberIn returns a number as an int64, a float64 or digits.
func numberIn(v reflect.Value) (number any, ok bool) {
	switch {
	case v.CanInt():
		return v.Int(), true
	case v.CanFloat():
		return v.Float(), !math.IsNaN(v.Float())
	case v.IsValid() && v.Type() == digitsType:
		return plain(v), true
	}
	return nil, false
}

func compareWithFloat(n int64, f float64) int {
	switch whole := math.Trunc(f); {
	case whole >= -math.MinInt64:
		return -1
	case whole < math.MinInt64:
		return 1
	case int64(whole) != n:
		return cmp.Compare(n, int64(whole))
	default:
		return cmp.Compare(whole, f)
	}
}

// wholePart returns the digits of a number without its fraction.
func wholePart(number any) string {
	if f, ok := number.(float64); ok {
		return strconv.FormatFloat(math.Trunc(f), 'f', -1, 64)
	}
	return fmt.Sprint(number)
}

// compareDigits compares two whole numbers by their decimal digits.
func compareDigits(a, b string) int {
	x, negative := strings.CutPrefix(a, "-")
	y, negativeToo := strings.CutPrefix(b, "-")
	switch {
	case negative != negativeToo && negative:
		return -1
	case negative != negativeToo:
		return 1
	case negative:
		x, y = y, x
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
}

var digitsType = reflect.TypeFor[digits]()
