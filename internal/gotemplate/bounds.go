package gotemplate

import (
	"fmt"
	"math"
	"reflect"
	"strings"
)

// The functions below make the bounds of functions.go. They are all upper bounds: what a function makes is smaller, and
// only what it really made is counted in the end, where that is a string.

// fixed is for functions that make at most n bytes and do not walk their arguments.
func fixed(n int) func(*call) (int, error) {
	return func(*call) (int, error) { return n, nil }
}

// linear is for functions that make at most k bytes of each byte they are given.
func linear(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		m, err := c.measure()
		if err != nil {
			return 0, err
		}
		size := times(m.size+64, k)
		if err := c.fits(size); err != nil {
			return 0, err
		}
		return size, c.step(size / 256)
	}
}

// walks is for functions that walk their arguments and make a number, a truth value or a short text of them.
func walks(c *call) (int, error) {
	_, err := c.measure()
	return 128, err
}

// numbers is for arithmetic: it takes what looks like numbers, and not too many.
func numbers(c *call) (int, error) {
	m, err := c.measure()
	if err == nil && (m.size > 8192 || len(c.args) > 100) {
		err = fmt.Errorf("takes at most 100 numbers")
	}
	return 64, err
}

// decimals is for arithmetic with any number of digits: each factor adds some three hundred.
func decimals(c *call) (int, error) {
	if len(c.args) > 20 {
		return 0, fmt.Errorf("takes at most 20 numbers")
	}
	if err := c.step(10 * len(c.args) * len(c.args)); err != nil {
		return 0, err
	}
	return numbers(c)
}

// textual is for functions that print what they are given: a missing value is an error, as it is where an action
// prints.
func textual(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		m, err := c.measure()
		if err == nil && m.missing {
			err = errMissing
		}
		return times(m.size+64, k), err
	}
}

// shells is for functions that make lists and maps of values they do not copy.
func shells(c *call) (int, error) {
	n := len(c.args)
	for _, arg := range c.args {
		switch v := reflect.ValueOf(arg); v.Kind() {
		case reflect.Slice, reflect.Array, reflect.Map:
			n += v.Len()
		}
	}
	return times(n, 64) + 512, c.step(n / 8)
}

// indented is for functions that print nested values over several lines.
func indented(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		m, err := c.measure()
		return times(m.size+64, k) + times(m.indent, 4), err
	}
}

// chosen is for functions that make as many bytes, or k times as many, as their first argument says.
func chosen(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		n := times(max(c.number(0), 0), k)
		if err := c.fits(n); err != nil {
			return 0, err
		}
		return n, c.step(n)
	}
}

// pairs is for functions that compare each of n values with each other.
func pairs(c *call) (int, error) {
	m, err := c.measure()
	if err != nil {
		return 0, err
	}
	return m.size, c.step(times(m.nodes, m.size/256+1) / 4)
}

// short is for functions that are given something short, in all their arguments together.
func short(c *call) (int, error) {
	m, err := c.measure()
	if err == nil && m.size > 2048 {
		err = fmt.Errorf("takes at most 2048 bytes")
	}
	return 512, err
}

// repeated bounds `repeat COUNT TEXT`.
func repeated(c *call) (int, error) { return times(max(c.number(0), 0), len(c.text(1))), nil }

// padded bounds `indent SPACES TEXT` and nindent.
func padded(c *call) (int, error) {
	lines := strings.Count(c.text(1), "\n") + 2
	return times(max(c.number(0), 0)+1, lines) + len(c.text(1)), nil
}

// replaced bounds `replace OLD NEW TEXT`.
func replaced(c *call) (int, error) {
	return times(strings.Count(c.text(2), c.text(0)), len(c.text(1))) + len(c.text(2)), nil
}

// wrapped bounds `wrapWith WIDTH SEPARATOR TEXT`.
func wrapped(c *call) (int, error) {
	return times(len(c.text(2))+1, len(c.text(1))+1), nil
}

// trimmed bounds `trimAll CHARACTERS TEXT`, which looks for each rune of the text among the characters.
func trimmed(c *call) (int, error) {
	return len(c.text(1)), c.step(times(len(c.text(0)), len(c.text(1))) / 256)
}

// pieces is for functions that split their last argument at their first, and need k bytes for each piece.
func pieces(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		text := c.text(len(c.args) - 1)
		n := strings.Count(text, c.text(0)) + 1
		return times(n, k), c.step(n/8 + len(text)/256)
	}
}

// joined bounds `join SEPARATOR LIST`.
func joined(c *call) (int, error) {
	m, err := c.measure()
	if err == nil && m.missing {
		err = errMissing
	}
	return m.size + times(m.nodes, len(c.text(0))), err
}

// counted bounds until, untilStep and seq, which make the numbers from start to stop. It is given which arguments these
// are, -1 for one that the function does not have.
func counted(start, stop, step int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		number := func(i, otherwise int) int {
			if i < 0 {
				return otherwise
			}
			return c.number(i)
		}
		n, err := count(number(start, 0), number(stop, 0), number(step, 1))
		return times(n, 32), err
	}
}

// sequence bounds seq, whose arguments mean different things by their number.
func sequence(c *call) (int, error) {
	switch len(c.args) {
	case 1:
		return counted(-1, 0, -1)(c)
	case 2:
		return counted(0, 1, -1)(c)
	case 3:
		return counted(0, 2, 1)(c)
	}
	return 0, nil
}

// count is how many numbers there are from start to stop, two more than needed.
func count(start, stop, step int) (int, error) {
	const most = math.MaxInt32
	for _, n := range []int{start, stop, step} {
		if n > most || n < -most {
			return 0, fmt.Errorf("%d is out of range", n)
		}
	}
	distance, width := stop-start, step
	if distance < 0 {
		distance = -distance
	}
	if width < 0 {
		width = -width
	}
	if width == 0 {
		width = 1
	}
	return distance/width + 2, nil
}

// formatted bounds printf: each verb prints one argument, as wide as the format says.
func formatted(c *call) (int, error) {
	m, err := c.measure()
	if err != nil {
		return 0, err
	}
	if m.missing {
		return 0, errMissing
	}
	verbs, width, byIndex := format(c.text(0))
	if strings.Contains(c.text(0), "*") {
		for i := range c.args {
			width = max(width, c.number(i), -c.number(i))
		}
	}
	// %# x prints five bytes for each, %+q up to ten for a rune; a float64 has 309 digits.
	size := times(m.size, 10) + times(m.nodes, 400+min(width, 1_000_000))
	if verbs < len(c.args) && !byIndex {
		return size, nil // Each argument is printed once.
	}
	return times(size, max(verbs, 1)), nil
}

// format returns how many verbs a format has, the greatest number in it, and whether a verb says which argument it
// prints.
func format(format string) (verbs, width int, byIndex bool) {
	verb, n := false, 0
	for _, c := range []byte(format) {
		digit := c >= '0' && c <= '9'
		switch {
		case c == '%' && !verb:
			verb = true
			verbs++
		case digit && verb:
			n = min(n*10+int(c-'0'), 10_000_000)
			width = max(width, n)
		case c == '[' && verb:
			byIndex = true
		case c == '%' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
			verb = false
		}
		if !digit {
			n = 0
		}
	}
	return verbs, width, byIndex
}

// times multiplies sizes without overflow.
func times(a, b int) int {
	if a > 0 && b > math.MaxInt32*1024/a {
		return math.MaxInt32 * 1024
	}
	return a * b
}

// chunked bounds `chunk SIZE LIST`.
func chunked(c *call) (int, error) {
	if c.number(0) < 1 {
		return 0, fmt.Errorf("a chunk must have a size of at least 1")
	}
	return shells(c)
}
