package gotemplate

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
)

// The functions below are the bounds of functions.go: upper bounds of what a function makes. What it really made is
// counted in the end, where that is text.

// boundConstant is for functions that make at most n bytes and read only the beginning of their arguments.
func boundConstant(n int) func(*call) (int, error) {
	return func(*call) (int, error) { return n, nil }
}

// boundText is for functions that make at most k bytes of each byte of text that they are given.
func boundText(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		size := c.extent.printed(k)
		if err := c.fits(size); err != nil {
			return 0, err
		}
		return size, c.step(size/256 + c.extent.nodes/8)
	}
}

// boundPrinted is for functions that print what they are given, with at most k bytes for each byte of text. A missing
// value is an error, as it is where an action prints.
func boundPrinted(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		if c.extent.missing > 0 {
			return 0, errMissing
		}
		return boundText(k)(c)
	}
}

// boundMemory is for functions that make at most k bytes of each byte that their arguments take in memory.
func boundMemory(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		size := times(c.extent.memory+64, k)
		if err := c.fits(size); err != nil {
			return 0, err
		}
		return size, errors.Join(c.step(size/256), c.walk(c.extent))
	}
}

// boundWalk is for functions that read all of their arguments and make a number, a truth value or a short text of them.
func boundWalk(c *call) (int, error) { return 128, c.walk(c.extent) }

// boundShort is for functions that take short arguments.
func boundShort(c *call) (int, error) {
	if c.extent.memory > 2048 {
		return 0, fmt.Errorf("takes at most 2048 bytes")
	}
	return 512, nil
}

// boundNumbers is for arithmetic: it takes what looks like numbers, and not too many.
func boundNumbers(c *call) (int, error) {
	if c.extent.memory > 8192 || len(c.args) > 100 {
		return 0, fmt.Errorf("takes at most 100 numbers")
	}
	return 64, c.step(c.extent.text / 32)
}

// boundDecimals is for arithmetic with any number of digits: each factor adds some three hundred.
func boundDecimals(c *call) (int, error) {
	if len(c.args) > 20 {
		return 0, fmt.Errorf("takes at most 20 numbers")
	}
	if err := c.step(10 * len(c.args) * len(c.args)); err != nil {
		return 0, err
	}
	return boundNumbers(c)
}

// boundShallow is for functions that make lists and dictionaries of values that they do not copy, with k bytes for
// each.
func boundShallow(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		n := len(c.args)
		for _, arg := range c.args {
			switch v := reflect.ValueOf(arg); v.Kind() {
			case reflect.Slice, reflect.Array, reflect.Map:
				n += v.Len()
			}
		}
		return times(n, k) + listMemory, c.step(n / 8)
	}
}

// boundPairs is for functions that compare each of the values that they are given with each other.
func boundPairs(c *call) (int, error) {
	return c.extent.memory, c.step(times(c.extent.nodes, c.extent.memory/256+1) / 4)
}

// boundSorted is for functions that sort what they are given as texts.
func boundSorted(c *call) (int, error) {
	if c.extent.missing > 0 {
		return 0, errMissing
	}
	return c.extent.printed(1) + times(c.extent.nodes, 16), c.step(times(c.extent.printed(1), 20) / 256)
}

// boundByFirstArg is for functions that make k times as many bytes as their first argument says.
func boundByFirstArg(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		n := times(max(c.number(0), 0), k)
		if err := c.fits(n); err != nil {
			return 0, err
		}
		return n, c.step(n)
	}
}

// boundRepeat is for `repeat COUNT TEXT`.
func boundRepeat(c *call) (int, error) { return c.writes(times(max(c.number(0), 0), len(c.text(1)))) }

// boundIndent is for `indent SPACES TEXT` and nindent.
func boundIndent(c *call) (int, error) {
	lines := strings.Count(c.text(1), "\n") + 2
	return c.writes(times(max(c.number(0), 0)+1, lines) + len(c.text(1)))
}

// boundReplace is for `replace OLD NEW TEXT`.
func boundReplace(c *call) (int, error) {
	if err := c.walk(c.extent); err != nil {
		return 0, err
	}
	return c.writes(times(strings.Count(c.text(2), c.text(0)), len(c.text(1))) + len(c.text(2)))
}

// boundWrapWith is for `wrapWith WIDTH SEPARATOR TEXT`.
func boundWrapWith(c *call) (int, error) {
	return c.writes(times(len(c.text(2))+1, len(c.text(1))+1))
}

// writes returns n, and takes the steps of reading the arguments and writing n bytes, if there may be so many.
func (c *call) writes(n int) (int, error) {
	if err := c.fits(n); err != nil {
		return 0, err
	}
	return n, errors.Join(c.walk(c.extent), c.step(n/256))
}

// boundTrimAll is for `trimAll CHARACTERS TEXT`, which looks for each character of the text among the characters.
func boundTrimAll(c *call) (int, error) {
	return len(c.text(1)), errors.Join(c.walk(c.extent), c.step(times(len(c.text(0)), len(c.text(1)))/256))
}

// boundSplit is for functions that split their last argument at their first, and need k bytes for each part.
func boundSplit(k int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		parts := strings.Count(c.text(len(c.args)-1), c.text(0)) + 1
		return times(parts, k), errors.Join(c.walk(c.extent), c.step(parts/8))
	}
}

// boundSplitN is for `splitn SEPARATOR COUNT TEXT`. It makes room for as many parts as it is asked for.
func boundSplitN(c *call) (int, error) {
	size, err := boundSplit(128)(c)
	room := times(min(max(c.number(1), 0), len(c.text(2))+1), 16)
	return max(size, room), errors.Join(err, c.step(room/128))
}

// boundJoin is for `join SEPARATOR LIST`.
func boundJoin(c *call) (int, error) {
	if c.extent.missing > 0 {
		return 0, errMissing
	}
	return c.writes(c.extent.printed(1) + times(c.extent.nodes, len(c.text(0))))
}

// boundRange is for until, untilStep and seq, which make the numbers from start to stop. It is given which arguments
// these are, -1 for one that the function does not have.
func boundRange(start, stop, step int) func(*call) (int, error) {
	return func(c *call) (int, error) {
		number := func(i, otherwise int) int {
			if i < 0 {
				return otherwise
			}
			return c.number(i)
		}
		n, err := countRange(number(start, 0), number(stop, 0), number(step, 1))
		return times(n, 32), err
	}
}

// boundSeq is for seq, whose arguments mean different things by their number.
func boundSeq(c *call) (int, error) {
	switch len(c.args) {
	case 1:
		return boundRange(-1, 0, -1)(c)
	case 2:
		return boundRange(0, 1, -1)(c)
	case 3:
		return boundRange(0, 2, 1)(c)
	}
	return 0, nil
}

// countRange is how many numbers there are from start to stop, two more than needed.
func countRange(start, stop, step int) (int, error) {
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

// boundChunk is for `chunk SIZE LIST`.
func boundChunk(c *call) (int, error) {
	if c.number(0) < 1 {
		return 0, fmt.Errorf("a chunk must have a size of at least 1")
	}
	return boundShallow(64)(c)
}
