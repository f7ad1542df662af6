package gotemplate

import (
	"cmp"
	"math/big"
	"reflect"
	"testing"
)

// TestNumbersCompareExactly compares numbers of all types with each other, and with what math/big says.
func TestNumbersCompareExactly(t *testing.T) {
	texts := []string{
		"0", "-0.5", "0.5", "1", "-1", "1.5", "9007199254740992", "9007199254740993", "9007199254740992.0",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
		"9223372036854775808.0", "-9223372036854775808.0", "18446744073709551615", "18446744073709551616",
		"-18446744073709551616", "1e19", "-1e19", "1e20", "100000000000000000001", "1e22", "1e300", "-1e300",
	}
	for _, x := range texts {
		for _, y := range texts {
			a, errA := readNumber(x)
			b, errB := readNumber(y)
			if err := cmp.Or(errA, errB); err != nil {
				t.Fatal(err)
			}
			got, ok := compareNumbers(reflect.ValueOf(a), reflect.ValueOf(b))
			exactX, _ := new(big.Rat).SetString(x)
			exactY, _ := new(big.Rat).SetString(y)
			if want := exactX.Cmp(exactY); !ok || got != want {
				t.Errorf("%s (%T) with %s (%T): got %d, want %d", x, a, y, b, got, want)
			}
			if equal := same(a, b); equal != (exactX.Cmp(exactY) == 0) {
				t.Errorf("%s and %s are equal: %v", x, y, equal)
			}
		}
	}
}
