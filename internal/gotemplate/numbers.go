package gotemplate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// digits is a whole number that an int64 cannot hold, by its decimal digits. It can be compared and printed; arithmetic
// with it is an error.
type digits struct{ text string }

func (d digits) String() string               { return d.text }
func (d digits) MarshalJSON() ([]byte, error) { return []byte(d.text), nil }

// maxDigits is how many digits a number may have.
const maxDigits = 1000

var (
	errDigits    = fmt.Errorf("a whole number beyond %d keeps its digits, but cannot be calculated with", math.MaxInt64)
	errOverflow  = fmt.Errorf("the result is beyond %d", math.MaxInt64)
	errTooLarge  = errors.New("the number is too large")
	errTooSmall  = errors.New("the number is too close to zero")
	errLong      = fmt.Errorf("the number has more than %d digits", maxDigits)
	errNoNumber  = errors.New("not a number")
	errPrecision = errors.New("the whole number has more digits than a fraction can have")
)

const (
	aNumber      = "a number"
	aWholeNumber = "a whole number"
)

// unreadable is the error of a function that needs another kind of value. needed is that kind, such as "a time".
func unreadable(needed string, value any) error {
	switch value.(type) {
	case nil:
		return errMissing
	case string:
		return fmt.Errorf("a text that is not %s", needed)
	case digits:
		return errDigits
	}
	return mismatch(needed, value)
}

func mismatch(needed string, value any) error {
	return fmt.Errorf("takes %s, and not %s", needed, typeName(value))
}

var numberText = regexp.MustCompile(`^([+-]?)([0-9]*)(\.[0-9]*)?(?:[eE]([+-]?[0-9]+))?$`)

// readNumber reads a decimal number: a whole one as int64, or as digits where that is too small, and others as float64.
// No number loses digits of its whole part.
func readNumber(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if len(text) <= 16 && strings.Trim(text, "+-.0123456789") == "" {
		if f, err := strconv.ParseFloat(text, 64); err == nil && f != 0 {
			return f, nil // It has no more digits than a float64.
		}
	}
	if len(text) > maxDigits {
		return nil, errLong
	}
	found := numberText.FindStringSubmatch(text)
	if found == nil || len(found[2])+len(found[3]) == 0 || found[3] == "." && found[2] == "" {
		return nil, errNoNumber
	}
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && f != 0 && len(found[2])+len(found[3]) <= 15 {
		return f, nil // A float64 holds so many digits.
	}
	whole := wholeDigits(found)
	if whole != "" && found[3] == "" && found[4] == "" {
		return digits{whole}, nil
	}
	switch {
	case err != nil:
		return nil, errTooLarge
	case f == 0 && whole != "0":
		return nil, errTooSmall
	case whole == "" || strconv.FormatFloat(f, 'f', -1, 64) == whole:
		return f, nil
	}
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
		return n, nil
	}
	return digits{whole}, nil
}

// wholeDigits returns all digits of a number, of which numberText found the parts, or nothing if it is not a whole one.
func wholeDigits(found []string) string {
	exponent, _ := strconv.Atoi(found[4])
	all := found[2] + strings.TrimPrefix(found[3], ".")
	point := len(found[2]) + exponent
	all = strings.TrimRight(all, "0")
	if strings.Trim(all, "0") == "" {
		return "0"
	}
	if point < len(all) || point > maxDigits {
		return ""
	}
	all = strings.TrimLeft(all+strings.Repeat("0", point-len(all)), "0")
	return strings.TrimPrefix(found[1], "+") + all
}

// numberOf returns a number that is given as such or as text: an int64, a float64 or digits.
func numberOf(value any, needed string) (any, error) {
	switch v := value.(type) {
	case int64, float64, digits:
		return v, nil
	case int:
		return int64(v), nil
	case string:
		n, err := readNumber(v)
		if errors.Is(err, errNoNumber) {
			err = unreadable(needed, v)
		}
		return n, err
	}
	if v := reflect.ValueOf(value); v.IsValid() && v.CanInt() {
		return v.Int(), nil
	}
	return nil, unreadable(needed, value)
}

// whole returns a whole number.
func whole(value any) (int64, error) {
	n, err := numberOf(value, aWholeNumber)
	if err != nil {
		return 0, err
	}
	if f, ok := n.(float64); ok && f != math.Trunc(f) {
		if _, ok := value.(string); ok {
			return 0, unreadable(aWholeNumber, value)
		}
		return 0, unreadable(aWholeNumber, f)
	}
	return truncated(n)
}

// truncated returns a number of numberOf without its fraction.
func truncated(number any) (int64, error) {
	switch n := number.(type) {
	case int64:
		return n, nil
	case float64:
		// The largest float64 below 1<<63 is far below it.
		if f := math.Trunc(n); f >= math.MinInt64 && f < -math.MinInt64 {
			return int64(f), nil
		}
		return 0, errTooLarge
	}
	return 0, errDigits
}

// maxExact is the number up to which a float64 holds every whole number. Some above are exact too, but are printed with
// zeros in place of their last digits.
const maxExact = 1 << 53

// fraction returns a number as a float64. It fails where that would change digits of a whole number.
func fraction(value any) (float64, error) {
	n, err := numberOf(value, aNumber)
	if err != nil {
		return 0, err
	}
	switch n := n.(type) {
	case int64:
		if n > maxExact || n < -maxExact {
			return 0, errPrecision
		}
		return float64(n), nil
	case float64:
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return 0, errTooLarge
		}
		return n, nil
	}
	return 0, errDigits
}

// shownFloat is a float64 that is printed as JSON has it, and not as 1e+06.
type shownFloat float64

func (d shownFloat) String() string {
	text, err := json.Marshal(float64(d))
	if err != nil {
		return strconv.FormatFloat(float64(d), 'g', -1, 64)
	}
	return string(text)
}

// shown returns a value to be printed, in which each float64 is a shownFloat.
func shown(value any) any {
	switch v := value.(type) {
	case float64:
		return shownFloat(v)
	case []any:
		for i, item := range v {
			if shows(item) {
				changed := append(make([]any, 0, len(v)), v[:i]...)
				for _, item := range v[i:] {
					changed = append(changed, shown(item))
				}
				return changed
			}
		}
	case [][]any:
		lists := make([]any, len(v))
		for i, list := range v {
			lists[i] = shown(list)
		}
		return lists
	case map[string]any:
		changed := make(map[string]any, len(v))
		for key, item := range v {
			changed[key] = shown(item)
		}
		return changed
	}
	return value
}

// shows says whether shown may change value.
func shows(value any) bool {
	switch value.(type) {
	case float64, []any, [][]any, map[string]any:
		return true
	}
	return false
}
