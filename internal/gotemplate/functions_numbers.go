package gotemplate

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/Masterminds/sprig/v3"
)

// numberFunctions are sprig's, except that what is not a number, a fraction where a whole number is needed, and a
// result that is too large are errors. sprig takes the first for 0, cuts the second, and lets the third overflow.
var numberFunctions = map[string]function{
	"int":       {func(value any) (int, error) { n, err := integer(value); return int(n), err }, boundNumbers},
	"int64":     {integer, boundNumbers},
	"float64":   {asFraction, boundNumbers},
	"atoi":      {func(text string) (int, error) { n, err := whole(text); return int(n), err }, boundNumbers},
	"toDecimal": {fromOctal, boundNumbers},

	"add":     {func(all ...any) (int64, error) { return onNumbers("addf", plusWhole, 0, all...) }, boundNumbers},
	"add1":    {func(a any) (int64, error) { return onNumbers("add1f", plusWhole, a, 1) }, boundNumbers},
	"sub":     {func(a, b any) (int64, error) { return onNumbers("subf", minusWhole, a, b) }, boundNumbers},
	"mul":     {startingWith("mulf", timesWhole), boundNumbers},
	"div":     {func(a, b any) (int64, error) { return onNumbers("divf", divided, a, b) }, boundNumbers},
	"mod":     {func(a, b any) (int64, error) { return onNumbers("", remainder, a, b) }, boundNumbers},
	"max":     {startingWith("maxf", greater), boundNumbers},
	"biggest": {startingWith("maxf", greater), boundNumbers},
	"min":     {startingWith("minf", smaller), boundNumbers},

	"addf":  {func(all ...any) (any, error) { return onDecimals(plusDecimal, 0, all...) }, boundDecimals},
	"add1f": {func(a any) (any, error) { return onDecimals(plusDecimal, a, 1) }, boundDecimals},
	"subf":  {onDecimalsFrom(minusDecimal), boundDecimals},
	"mulf":  {onDecimalsFrom(timesDecimal), boundDecimals},
	"divf":  {onDecimalsFrom(dividedDecimal), boundDecimals},
	"maxf":  {extreme(1), boundNumbers},
	"minf":  {extreme(-1), boundNumbers},
	"ceil":  {rounding(math.Ceil), boundNumbers},
	"floor": {rounding(math.Floor), boundNumbers},
	"round": {rounded, boundNumbers},

	"until":     {sprigFunctions["until"], boundRange(-1, 0, -1)},
	"untilStep": {untilStep, boundRange(0, 1, 2)},
	"seq":       {seq, boundSeq},
	"plural":    {sprigFunctions["plural"], boundText(1)},
	"randInt":   {randInt, boundConstant(8)},
}

var sprigFunctions = sprig.TxtFuncMap()

// integer returns a number without its fraction.
func integer(value any) (int64, error) {
	n, err := numberOf(value, aNumber)
	if err != nil {
		return 0, err
	}
	return truncated(n)
}

// asFraction returns a number as a float64. A whole number that would lose digits stays what it is.
func asFraction(value any) (any, error) {
	f, err := fraction(value)
	if errors.Is(err, errPrecision) || errors.Is(err, errDigits) {
		return numberOf(value, aNumber)
	}
	return f, err
}

// fromOctal reads a number with the digits 0 to 7, as the mode of a file.
func fromOctal(value any) (int64, error) {
	const octal = "a number in octal digits"
	text, ok := value.(string)
	if !ok {
		n, err := whole(value)
		if err != nil {
			return 0, err
		}
		text = strconv.FormatInt(n, 10)
	}
	n, err := strconv.ParseInt(text, 8, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errTooLarge
	case err != nil && !ok:
		return 0, fmt.Errorf("a number that is not %s", octal)
	case err != nil:
		return 0, unreadable(octal, value)
	}
	return n, nil
}

// operation makes a number of two others. ok is false if it is beyond an int64.
type operation func(a, b int64) (result int64, ok bool)

func plusWhole(a, b int64) (int64, bool)  { return a + b, (a+b < a) == (b < 0) }
func minusWhole(a, b int64) (int64, bool) { return a - b, (a-b < a) == (b > 0) }
func timesWhole(a, b int64) (int64, bool) {
	return a * b, a == 0 || a*b/a == b && (a != -1 || b != math.MinInt64)
}
func divided(a, b int64) (int64, bool)   { return a / b, a != math.MinInt64 || b != -1 }
func remainder(a, b int64) (int64, bool) { return a % b, true }
func greater(a, b int64) (int64, bool)   { return max(a, b), true }
func smaller(a, b int64) (int64, bool)   { return min(a, b), true }

// onNumbers applies an operation to whole numbers, from left to right. forFractions is the name of the function that
// takes fractions, if there is one.
func onNumbers(forFractions string, op operation, first any, others ...any) (int64, error) {
	result, err := wholeOperand(first, forFractions)
	if err != nil {
		return 0, err
	}
	for _, other := range others {
		operand, err := wholeOperand(other, forFractions)
		if err != nil {
			return 0, err
		}
		var ok bool
		if result, ok = op(result, operand); !ok {
			return 0, errOverflow
		}
	}
	return result, nil
}

func wholeOperand(value any, forFractions string) (int64, error) {
	n, err := whole(value)
	if f, ok := value.(float64); ok && err != nil && f != math.Trunc(f) && forFractions != "" {
		return 0, fmt.Errorf("%w: write %s, or int to cut it", err, forFractions)
	}
	return n, err
}

func startingWith(forFractions string, op operation) func(any, ...any) (int64, error) {
	return func(first any, others ...any) (int64, error) { return onNumbers(forFractions, op, first, others...) }
}

// extreme returns the function that chooses the greatest of its arguments for 1, and the least for -1.
func extreme(sign int) func(any, ...any) (any, error) {
	return func(first any, others ...any) (any, error) {
		result, err := numberOf(first, aNumber)
		if err != nil {
			return nil, err
		}
		for _, other := range others {
			n, err := numberOf(other, aNumber)
			if err != nil {
				return nil, err
			}
			if c, _ := compareNumbers(reflect.ValueOf(n), reflect.ValueOf(result)); c == sign {
				result = n
			}
		}
		return result, nil
	}
}

// rounding returns the function that rounds to a whole number. What is one already keeps its type.
func rounding(round func(float64) float64) func(any) (any, error) {
	return func(value any) (any, error) {
		n, err := numberOf(value, aNumber)
		if f, ok := n.(float64); ok {
			return round(f), nil
		}
		return n, err
	}
}

// rounded rounds to so many places behind the point. from is the part of a place from which it rounds away from zero,
// a half if it is not given. sprig takes the part below a negative number for its fraction.
func rounded(value any, places int, from ...float64) (any, error) {
	n, err := numberOf(value, aNumber)
	f, ok := n.(float64)
	if !ok && err == nil && places < 0 {
		f, err = fraction(n)
		ok = true
	}
	if err != nil || !ok {
		return n, err
	}
	half := .5
	if len(from) > 0 {
		half = from[0]
	}
	power := math.Pow(10, math.Abs(float64(places)))
	scaled := math.Abs(f) * power
	if places < 0 {
		scaled = math.Abs(f) / power
	}
	if math.IsInf(scaled, 0) || math.IsInf(power, 0) && places > 0 {
		return f, nil // There are no digits so far behind the point.
	}
	whole, part := math.Modf(scaled)
	if part >= half {
		whole++
	}
	result := whole / power
	if places < 0 {
		result = whole * power
	}
	if math.IsNaN(result) || math.IsInf(result, 0) {
		return 0.0, nil // All digits are behind the place.
	}
	return math.Copysign(result, f), nil
}

func untilStep(start, stop, step int) ([]int, error) {
	if step == 0 {
		return nil, errStep
	}
	return sprigFunctions["untilStep"].(func(int, int, int) []int)(start, stop, step), nil
}

var errStep = errors.New("a step of 0 comes to no end")

// seq is `seq LAST`, `seq FIRST LAST` or `seq FIRST STEP LAST`.
func seq(numbers ...int) (string, error) {
	switch {
	case len(numbers) == 0 || len(numbers) > 3:
		return "", fmt.Errorf("takes one to three numbers, and not %d", len(numbers))
	case len(numbers) == 3 && numbers[1] == 0:
		return "", errStep
	}
	return sprigFunctions["seq"].(func(...int) string)(numbers...), nil
}

// randInt returns a whole number from low to before high.
func randInt(low, high int) (int, error) {
	if low >= high || high-low < 0 {
		return 0, errors.New("the first number must be less than the second")
	}
	return sprigFunctions["randInt"].(func(int, int) int)(low, high), nil
}
