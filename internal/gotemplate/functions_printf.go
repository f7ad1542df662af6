package gotemplate

import (
	"errors"
	"reflect"
	"strings"
	"unicode/utf8"
)

var (
	errAddress  = errors.New("%p prints an address, which is another one each time")
	errGoSyntax = errors.New("%#v prints the syntax of Go: write %q for text, or toJson")
)

// maxWidth is the largest width or precision that fmt takes.
const maxWidth = 1_000_000

// boundPrintf is for printf: each verb prints one argument, as wide as the format says.
func boundPrintf(c *call) (int, error) {
	if c.extent.missing > 0 {
		return 0, errMissing
	}
	format := c.text(0)
	f, err := readFormat(format)
	if err != nil {
		return 0, err
	}
	if strings.Contains(format, "*") {
		for _, arg := range c.args {
			f.width = max(f.width, widthOf(arg))
		}
	}
	// %# x prints five bytes for each, %+q up to ten for a rune; a float64 has 309 digits.
	size := times(c.extent.text, 10) + times(c.extent.nodes, 400+min(f.width, maxWidth)) + 32*f.verbs
	if f.byIndex {
		size = times(size, f.verbs+1) // An argument may be printed by each verb, else by one.
	}
	return c.writes(size)
}

// widthOf returns the width that an argument stands for where a format has a *.
func widthOf(arg any) int {
	switch v := reflect.ValueOf(arg); {
	case v.CanInt():
		return int(max(min(v.Int(), maxWidth), min(-v.Int(), maxWidth)))
	case v.CanUint():
		return int(min(v.Uint(), maxWidth))
	}
	return 0
}

// printFormat is what a format of printf can make of its arguments.
type printFormat struct {
	verbs   int
	width   int  // the greatest width or precision in it
	byIndex bool // a verb says which argument it prints
}

// readFormat reads a format, and refuses verbs whose result is not the same each time.
func readFormat(format string) (f printFormat, err error) {
	for {
		_, after, found := strings.Cut(format, "%")
		if !found {
			return f, nil
		}
		f.verbs++
		rest := strings.TrimLeft(after, "#0+- ")
		flags := after[:len(after)-len(rest)]
		rest = f.number(rest)
		if strings.HasPrefix(rest, ".") {
			rest = f.number(rest[1:])
		}
		rest = f.index(rest)
		switch {
		case strings.HasPrefix(rest, "p"):
			return f, errAddress
		case strings.HasPrefix(rest, "v") && strings.Contains(flags, "#"):
			return f, errGoSyntax
		}
		_, size := utf8.DecodeRuneInString(rest)
		format = rest[size:]
	}
}

// number reads a width or a precision, and returns what stands behind it.
func (f *printFormat) number(text string) string {
	text = f.index(text)
	if strings.HasPrefix(text, "*") {
		return text[1:]
	}
	n := 0
	for text != "" && text[0] >= '0' && text[0] <= '9' {
		n = min(n*10+int(text[0]-'0'), maxWidth)
		text = text[1:]
	}
	f.width = max(f.width, n)
	return text
}

// index reads the number of an argument, as in %[1]s, and returns what stands behind it.
func (f *printFormat) index(text string) string {
	if !strings.HasPrefix(text, "[") {
		return text
	}
	f.byIndex = true
	if _, after, found := strings.Cut(text, "]"); found {
		return after
	}
	return text[1:]
}
