package gotemplate

import (
	"errors"
	"math"
	"strconv"

	"github.com/shopspring/decimal"
)

// decimalOperation makes a number of two others, in decimal digits: 0.1 and 0.2 are 0.3.
type decimalOperation func(a, b decimal.Decimal) (decimal.Decimal, error)

func plusDecimal(a, b decimal.Decimal) (decimal.Decimal, error)  { return a.Add(b), nil }
func minusDecimal(a, b decimal.Decimal) (decimal.Decimal, error) { return a.Sub(b), nil }
func timesDecimal(a, b decimal.Decimal) (decimal.Decimal, error) { return a.Mul(b), nil }

// dividedDecimal divides to 16 digits. sprig's divf counts them from the point on: 1e-10 by 1e10 is 0 there.
func dividedDecimal(a, b decimal.Decimal) (decimal.Decimal, error) {
	if b.IsZero() {
		return a, errors.New("division by zero")
	}
	magnitude := func(d decimal.Decimal) int32 { return int32(d.NumDigits()) + d.Exponent() }
	return a.DivRound(b, 16+max(0, magnitude(b)-magnitude(a))), nil
}

// onDecimals applies an operation to numbers, from left to right.
func onDecimals(op decimalOperation, first any, others ...any) (any, error) {
	result, err := asDecimal(first)
	if err != nil {
		return nil, err
	}
	for _, other := range others {
		operand, err := asDecimal(other)
		if err != nil {
			return nil, err
		}
		if result, err = op(result, operand); err != nil {
			return nil, err
		}
	}
	return fromDecimal(result)
}

func onDecimalsFrom(op decimalOperation) func(any, ...any) (any, error) {
	return func(first any, others ...any) (any, error) { return onDecimals(op, first, others...) }
}

func asDecimal(value any) (decimal.Decimal, error) {
	n, err := numberOf(value, aNumber)
	if err != nil {
		return decimal.Decimal{}, err
	}
	if n, ok := n.(int64); ok {
		return decimal.NewFromInt(n), nil
	}
	f, err := fraction(n)
	if err != nil {
		return decimal.Decimal{}, err
	}
	return decimal.NewFromFloat(f), nil
}

// fromDecimal returns a result as a float64, or as an int64 where a float64 would lose digits of a whole number.
func fromDecimal(result decimal.Decimal) (any, error) {
	f, _ := result.Float64()
	switch {
	case math.IsInf(f, 0):
		return nil, errTooLarge
	case f == 0 && !result.IsZero():
		return nil, errTooSmall
	case math.Abs(f) < maxExact || !result.IsInteger():
		return f, nil
	}
	digits := result.Truncate(0).String()
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n, nil
	}
	if digits != strconv.FormatFloat(f, 'f', -1, 64) {
		return nil, errPrecision
	}
	return f, nil
}
