package gotemplate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printf is fmt's, except that a verb that cannot print its argument is an error, where fmt prints what is wrong, such
// as %!d(string=a). And a number is a number, whatever its type: %d prints a whole float64, and %f an int64.
func printf(format string, args ...any) (string, error) {
	f := formatter{args: args}
	for format != "" {
		text, rest, found := strings.Cut(format, "%")
		f.out = append(f.out, text...)
		if !found {
			break
		}
		var err error
		if format, err = f.directive(rest); err != nil {
			return "", err
		}
	}
	if !f.byIndex && f.next < len(args) {
		return "", fmt.Errorf("the format has no verb for argument %d", f.next+2)
	}
	return string(f.out), nil
}

// formatter runs a format.
type formatter struct {
	args    []any
	out     []byte
	next    int  // the argument that comes next
	byIndex bool // a verb has chosen its argument by number
}

// directive is one verb of a format, with its flags, width and precision.
type directive struct {
	flags     string
	width     string
	precision string // with its point
	verb      rune
}

// directive runs what stands behind a %, and returns what comes after it.
func (f *formatter) directive(text string) (rest string, err error) {
	rest = strings.TrimLeft(text, "#0+- ")
	d := directive{flags: text[:len(text)-len(rest)]}
	if d.width, rest, err = f.number(rest); err != nil {
		return rest, err
	}
	if strings.HasPrefix(rest, ".") {
		if d.precision, rest, err = f.number(rest[1:]); err != nil {
			return rest, err
		}
		if strings.HasPrefix(d.precision, "-") {
			return rest, errors.New("a precision cannot be negative")
		}
		d.precision = "." + d.precision
	}
	if rest, err = f.index(rest); err != nil {
		return rest, err
	}
	verb, size := utf8.DecodeRuneInString(rest)
	if size == 0 {
		return rest, errors.New("the format ends with %: write %% to print one")
	}
	d.verb, rest = verb, rest[size:]
	if verb == '%' {
		f.out = append(f.out, '%')
		return rest, nil
	}
	value, err := f.argument("%" + string(verb))
	if err != nil {
		return rest, err
	}
	if strings.HasPrefix(d.width, "-") {
		d.flags, d.width = d.flags+"-", d.width[1:]
	}
	f.out, err = d.print(f.out, value)
	return rest, err
}

// number reads a width or a precision, which may be an argument.
func (f *formatter) number(text string) (number, rest string, err error) {
	if text, err = f.index(text); err != nil {
		return "", text, err
	}
	if !strings.HasPrefix(text, "*") {
		rest = strings.TrimLeft(text, "0123456789")
		number = strings.TrimLeft(text[:len(text)-len(rest)], "0")
		if len(number) > len(strconv.Itoa(maxWidth)) {
			return "", rest, errWidth
		}
		return number, rest, nil
	}
	value, err := f.argument("*")
	if err != nil {
		return "", text, err
	}
	n, err := whole(value)
	if _, ok := value.(string); ok || err != nil {
		return "", text, fmt.Errorf("the argument for * must be a whole number, and not %s", typeName(value))
	}
	if n > maxWidth || n < -maxWidth {
		return "", text, errWidth
	}
	return strconv.FormatInt(n, 10), text[1:], nil
}

var errWidth = fmt.Errorf("a width can be at most %d", maxWidth)

// index reads the number of an argument, as in %[1]s.
func (f *formatter) index(text string) (rest string, err error) {
	if !strings.HasPrefix(text, "[") {
		return text, nil
	}
	number, rest, _ := strings.Cut(text[1:], "]")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(f.args) {
		return rest, fmt.Errorf("a [number] chooses none of the %d arguments behind the format", len(f.args))
	}
	f.next, f.byIndex = n-1, true
	return rest, nil
}

// argument returns the next argument. user is what needs it.
func (f *formatter) argument(user string) (any, error) {
	if f.next >= len(f.args) {
		return nil, fmt.Errorf("there is no argument for %s", user)
	}
	f.next++
	return f.args[f.next-1], nil
}
