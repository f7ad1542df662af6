package gotemplate

import "errors"

// maxNesting is how deep the values that functions take may be nested in each other.
const maxNesting = 100

var errNesting = errors.New("a value is nested more than 100 deep, or contains itself")

// extent says how large a value is. What it contains twice counts twice, since it is also walked and printed twice.
type extent struct {
	// memory is at least as many bytes as the value takes, with what is kept to know its extent.
	memory int
	// text is how many bytes the texts in it have together, the keys of maps included.
	text int
	// nodes is how many values it is made of: itself, and the items and keys in it.
	nodes int
	// levels is how many levels of indentation these have together, if each stands on a line of its own.
	levels int
	// missing is how many of them are nil.
	missing int
	// depth is how many levels there are below it.
	depth int
}

// printed is at most how many bytes the value has when it is printed with %v or as JSON, where each byte of text may
// become k bytes.
func (e extent) printed(k int) int { return times(e.text, k) + times(e.nodes, 32) + 64 }

// contain adds an item, with n bytes for where it is kept.
func (e *extent) contain(item extent, n int) {
	e.memory = plus(e.memory, item.memory+n)
	e.text = plus(e.text, item.text)
	e.nodes = plus(e.nodes, item.nodes)
	e.levels = plus(e.levels, item.levels+item.nodes)
	e.missing = plus(e.missing, item.missing)
	e.depth = max(e.depth, item.depth+1)
}

// join adds the extent of a value that stands beside e.
func (e *extent) join(other extent) {
	depth := max(e.depth, other.depth)
	e.contain(other, 0)
	e.levels, e.depth = plus(e.levels, -other.nodes), depth
}

func textExtent(text string) extent {
	return extent{memory: 16 + len(text), text: len(text), nodes: 1}
}

// maxExtent is more than any limit.
const maxExtent = 1 << 40

// plus adds sizes without overflow.
func plus(a, b int) int { return min(a+b, maxExtent) }

// times multiplies sizes without overflow.
func times(a, b int) int {
	if a > 0 && b > maxExtent/a {
		return maxExtent
	}
	return a * b
}
